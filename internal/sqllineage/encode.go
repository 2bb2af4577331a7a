package sqllineage

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/sqllint"
)

// A kept result begins with the names of the tables that the text asked for,
// each with its sign, and goes on with the remarks and the analysis. Texts are written once per
// result; a column is its table and its own name.

type encoder struct {
	writer
	known map[string]int
}

func encode(a *lineage.SQLAnalysis, remarks *sqllint.Result, asked map[string]struct{}, signOf func(string) sign) []byte {
	names := slices.Sorted(maps.Keys(asked))
	e := encoder{known: map[string]int{}}
	e.number(len(names))
	for _, name := range names {
		e.text(name)
		s := signOf(name)
		e.b = append(e.b, s[:]...)
	}
	e.text(string(encodeRemarks(remarks)))
	e.number(len(a.Tables))
	for _, t := range a.Tables {
		e.shared(t.TableID)
		e.flag(t.Join)
		e.shared(string(t.Confidence))
	}
	e.columns(a.Columns)
	e.number(len(a.Outputs))
	for _, o := range a.Outputs {
		e.shared(o.Name)
		e.flag(o.Star)
		e.columns(o.Sources)
	}
	e.number(len(a.Unresolved))
	for _, u := range a.Unresolved {
		e.shared(u.Reason)
		e.shared(u.Detail)
		e.flag(u.Span != nil)
		if u.Span != nil {
			e.number(u.Span.Start)
			e.number(u.Span.End)
		}
		e.shared(string(u.Target.Kind))
		e.shared(u.Target.ID)
	}
	return e.b
}

func (e *encoder) columns(list []lineage.SQLColumn) {
	e.number(len(list))
	for _, c := range list {
		table := catalog.TableOfColumn(c.ColumnID)
		e.shared(table)
		e.shared(c.ColumnID[len(table):])
		e.shared(c.Card)
		e.shared(c.Column)
		e.shared(string(c.Use))
		e.shared(string(c.Confidence))
	}
}

// shared writes a text in full the first time, by its place after that.
func (e *encoder) shared(s string) {
	at, ok := e.known[s]
	if ok {
		e.number(at)
		return
	}
	e.known[s] = len(e.known) + 1
	e.number(0)
	e.text(s)
}

// decoder reads what encoder wrote. After the first value that is not there,
// bad is set and everything read is zero.
type decoder struct {
	b     []byte
	bad   bool
	texts []string
}

// decode reads a result; ok is false when it is damaged or a name does not stand
// for what it stood for.
func decode(body []byte, signOf func(string) sign) (a lineage.SQLAnalysis, ok bool) {
	d := decoder{b: body}
	if !d.current(signOf) {
		return a, false
	}
	d.take(d.count()) // the remarks
	if n := d.count(); n > 0 {
		a.Tables = make([]lineage.SQLTable, n)
		for i := range a.Tables {
			a.Tables[i] = lineage.SQLTable{TableID: d.shared(), Join: d.flag(), Confidence: finding.Confidence(d.shared())}
		}
	}
	a.Columns = d.columns()
	if n := d.count(); n > 0 {
		a.Outputs = make([]lineage.SQLOutput, n)
		for i := range a.Outputs {
			a.Outputs[i] = lineage.SQLOutput{Name: d.shared(), Star: d.flag(), Sources: d.columns()}
		}
	}
	if n := d.count(); n > 0 {
		a.Unresolved = make([]lineage.SQLUnresolved, n)
		for i := range a.Unresolved {
			u := lineage.SQLUnresolved{Reason: d.shared(), Detail: d.shared()}
			if d.flag() {
				u.Span = &finding.Span{Start: d.number(), End: d.number()}
			}
			u.Target = catalog.Ref{Kind: catalog.Kind(d.shared()), ID: d.shared()}
			a.Unresolved[i] = u
		}
	}
	return a, !d.bad && len(d.b) == 0
}

// current reads the names; false when one does not stand for what it stood for.
func (d *decoder) current(signOf func(string) sign) bool {
	for range d.count() {
		name := string(d.take(d.count()))
		var s sign
		copy(s[:], d.take(len(s)))
		if d.bad || signOf(name) != s {
			return false
		}
	}
	return !d.bad
}

func (d *decoder) columns() []lineage.SQLColumn {
	n := d.count()
	if n == 0 {
		return nil
	}
	list := make([]lineage.SQLColumn, n)
	for i := range list {
		table := d.shared()
		list[i] = lineage.SQLColumn{
			ColumnID: table + d.shared(), Card: d.shared(), Column: d.shared(), Use: mbql.Use(d.shared()), Confidence: finding.Confidence(d.shared()),
		}
	}
	return list
}

func (d *decoder) number() int {
	n, read := binary.Varint(d.b)
	if read <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[read:]
	return int(n)
}

// count is a number of things that take at least one byte each.
func (d *decoder) count() int {
	n := d.number()
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return 0
	}
	return n
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	head := d.b[:n]
	d.b = d.b[n:]
	return head
}

func (d *decoder) flag() bool {
	b := d.take(1)
	return b != nil && b[0] == 1
}

func (d *decoder) shared() string {
	at := d.number()
	switch {
	case at == 0 && !d.bad:
		s := string(d.take(d.count()))
		d.texts = append(d.texts, s)
		return s
	case at < 1 || at > len(d.texts):
		d.bad = true
		return ""
	}
	return d.texts[at-1]
}
