package report

import (
	"bytes"
	"fmt"
	"io"
	"unicode"
	"unicode/utf8"
)

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

// SafeJSON returns a writer for JSON that escapes what a terminal would act on
// or show in another order: C1 control characters and bidirectional controls.
// The document means the same. Each write holds whole characters, as those of
// json.Encoder do.
func SafeJSON(w io.Writer) io.Writer { return safeJSON{w} }

type safeJSON struct{ w io.Writer }

// Write implements io.Writer.
func (s safeJSON) Write(p []byte) (int, error) {
	if _, err := s.w.Write(escapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// escapeJSON escapes in place of copying where there is nothing to escape, which
// is nearly always. Such characters occur in JSON's strings only.
func escapeJSON(p []byte) []byte {
	dangerous := func(r rune) bool {
		return r >= 0x7f && r <= 0x9f || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
	}
	if !bytes.ContainsFunc(p, dangerous) {
		return p
	}
	out := make([]byte, 0, len(p)+64)
	for _, r := range string(p) {
		if dangerous(r) {
			out = fmt.Appendf(out, `\u%04x`, r)
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}
