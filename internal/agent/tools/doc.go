// Package tools is what a model may look at: read-only questions about one
// connection's last scan, answered as the actor of the context sees it.
//
// A tool changes nothing, takes typed arguments and answers with a typed result
// in which every text is a [mask.Text]: nothing reaches a model that did not pass
// the mask, and the compiler says so. Results are pages with their true totals,
// bounded in size; arguments that make no sense are answered to the model as
// errors that say what to do. A [Toolbox] serves agents and chat; an MCP server
// can serve the same definitions.
package tools
