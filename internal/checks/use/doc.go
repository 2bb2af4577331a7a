// Package use holds the checks about content that nobody uses.
//
// Use is what Metabase itself counts: the last run of a question, the last view
// of a dashboard, views minus our own reads. A public link, embedding, a
// subscription or an alert is use that those counters may miss, and so is every
// other asset that builds on the content.
package use
