// Package agent lets a model explain what MetaLens knows, and keeps what it says
// within bounds.
//
// A [Runner] is an ordinary loop: it asks the model, answers its tool calls from
// package tools, and stops at limits of steps, tokens, money and time, on a call
// that repeats itself, or when the context ends. Prompt injection is assumed to
// succeed, so the model can do nothing: tools are read-only and see what the
// reader sees, what they answer is marked as data, and what the model says is
// checked before anybody sees it. An answer is JSON of a schema, each reference
// in it leads to an asset that exists and is visible, each number of a briefing
// is a fact that it was given, and suggested SQL is read against the schema.
//
// A [Service] prepares the agents: briefing, explainer, duplicates, metrics, SQL
// review, exposure and SQL writer. Prompts are files with a version. What an
// agent says is stored beside its subject with model, cost and time, and made
// anew only when the prompt or the content it was made of has changed.
package agent
