package report

// SpreadsheetCell makes third-party text harmless in a CSV cell: whatever a
// spreadsheet could take for a formula is prefixed with an apostrophe.
func SpreadsheetCell(s string) string { return cell(s) }

// MarkdownText escapes third-party text for one line of Markdown: nothing in it
// becomes markup, a link, a mention, an image or HTML.
func MarkdownText(s string) string { return md(s) }

// MarkdownLink writes third-party text as a link, or escaped alone where the
// address is empty or no plain web address.
func MarkdownLink(text, address string) string {
	if address = safeURL(address); address != "" {
		return "[" + md(text) + "](<" + address + ">)"
	}
	return md(text)
}
