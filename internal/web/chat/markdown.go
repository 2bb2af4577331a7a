package chat

import (
	"bytes"
	"context"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/a-h/templ"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"

	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/web/ui"
)

// Marks stand for a citation while Markdown is read. They are private characters,
// which [chat.Service] removes from every answer.
const (
	markStart = "\ue000"
	markEnd   = "\ue001"
)

var mark = regexp.MustCompile(markStart + `(\d+)` + markEnd)

// answerHTML shows what a model wrote. It is Markdown without anything that
// loads or leads anywhere: HTML is shown as text, an image by its words, and a
// link by its words alone, since its address is the model's. The only links are
// verified citations.
func answerHTML(base, text string, cites []chat.Cited) templ.Component {
	return templ.ComponentFunc(func(_ context.Context, w io.Writer) error {
		var marked strings.Builder
		last := 0
		for i, c := range cites {
			marked.WriteString(text[last:c.Start])
			marked.WriteString(markStart + strconv.Itoa(i) + markEnd)
			last = c.End
		}
		marked.WriteString(text[last:])
		var out bytes.Buffer
		if err := markdown().Convert([]byte(marked.String()), &out); err != nil {
			return err
		}
		shown := mark.ReplaceAllStringFunc(out.String(), func(m string) string {
			i, err := strconv.Atoi(mark.FindStringSubmatch(m)[1])
			if err != nil || i >= len(cites) {
				return ""
			}
			return citeHTML(base, cites[i])
		})
		_, err := io.WriteString(w, shown)
		return err
	})
}

// citeHTML is a chip that leads to an asset, or what the model wrote struck out.
func citeHTML(base string, c chat.Cited) string {
	switch {
	case !c.OK:
		return `<del class="cite-unknown" title="No such asset, or you may not see it">` + html.EscapeString(ui.Clip(ui.Clean(c.Text), maxCite)) + `</del>`
	case c.Finding != "":
		return `<a class="cite" data-testid="cite" href="` + html.EscapeString(base+"/findings/"+ui.EscapeID(c.Finding)) + `">` + html.EscapeString(ui.Clip(ui.Clean(c.Name), maxCite)) + `</a>`
	}
	return `<a class="cite" data-testid="cite" href="` + html.EscapeString(ui.AssetPath(base, c.Ref)) + `" title="` + html.EscapeString(ui.KindName(c.Ref.Kind)) + `"><bdi>` +
		html.EscapeString(ui.Clip(ui.Name(c.Name), maxCite)) + `</bdi></a>`
}

const maxCite = 60 // runes of a citation

func markdown() goldmark.Markdown {
	return goldmark.New(
		goldmark.WithExtensions(extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignNone)), extension.Strikethrough),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(tame{}, 0))),
	)
}

// tame renders what could load, lead somewhere or be markup of its own.
type tame struct{}

// RegisterFuncs implements [renderer.NodeRenderer].
func (tame) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindLink, inner)
	r.Register(ast.KindImage, image)
	r.Register(ast.KindAutoLink, autoLink)
	r.Register(ast.KindRawHTML, rawHTML)
	r.Register(ast.KindHTMLBlock, htmlBlock)
	r.Register(ast.KindHeading, heading)
	r.Register(ast.KindFencedCodeBlock, code)
	r.Register(ast.KindCodeBlock, code)
}

var _ renderer.NodeRenderer = tame{}

// code leaves out the language: no text of the model gets into an attribute.
func code(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		_, err := w.WriteString("</code></pre>\n")
		return ast.WalkContinue, err
	}
	if _, err := w.WriteString(`<pre tabindex="0"><code>`); err != nil {
		return ast.WalkStop, err
	}
	for i := range n.Lines().Len() {
		at := n.Lines().At(i)
		if err := escaped(w, at.Value(source)); err != nil {
			return ast.WalkStop, err
		}
	}
	return ast.WalkContinue, nil
}

// inner shows the words of a link and says that its address was left out.
func inner(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		_, err := w.WriteString(` <span class="muted small">(link removed)</span>`)
		return ast.WalkContinue, err
	}
	return ast.WalkContinue, nil
}

func image(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		_, err := w.WriteString(` <span class="muted small">(image removed)</span>`)
		return ast.WalkContinue, err
	}
	return ast.WalkContinue, nil
}

func escaped(w util.BufWriter, text []byte) error {
	_, err := w.Write(util.EscapeHTML(text))
	return err
}

func autoLink(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	link, ok := n.(*ast.AutoLink)
	if !entering || !ok {
		return ast.WalkContinue, nil
	}
	return ast.WalkContinue, escaped(w, link.Label(source))
}

func rawHTML(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	raw, ok := n.(*ast.RawHTML)
	if !entering || !ok {
		return ast.WalkSkipChildren, nil
	}
	for i := range raw.Segments.Len() {
		at := raw.Segments.At(i)
		if err := escaped(w, at.Value(source)); err != nil {
			return ast.WalkStop, err
		}
	}
	return ast.WalkSkipChildren, nil
}

func htmlBlock(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	block, ok := n.(*ast.HTMLBlock)
	if !ok {
		return ast.WalkContinue, nil
	}
	if !entering {
		if block.HasClosure() {
			if err := escaped(w, block.ClosureLine.Value(source)); err != nil {
				return ast.WalkStop, err
			}
		}
		_, err := w.WriteString("</p>\n")
		return ast.WalkContinue, err
	}
	if _, err := w.WriteString("<p>"); err != nil {
		return ast.WalkStop, err
	}
	for i := range block.Lines().Len() {
		at := block.Lines().At(i)
		if err := escaped(w, at.Value(source)); err != nil {
			return ast.WalkStop, err
		}
	}
	return ast.WalkContinue, nil
}

// heading is a strong line: headings of the page are the page's.
func heading(w util.BufWriter, _ []byte, _ ast.Node, entering bool) (ast.WalkStatus, error) {
	text := "<p><strong>"
	if !entering {
		text = "</strong></p>\n"
	}
	_, err := w.WriteString(text)
	return ast.WalkContinue, err
}
