package impactview

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/impact"
	"github.com/metalens/metalens/internal/web/ui"
)

// filter is what the address asks for. Everything stands in the query, so that
// an address can be kept and passed on.
type filter struct {
	roots  []catalog.Ref
	change impact.Change
	add    string // a name that was typed
	breaks impact.Breaks
	kinds  []catalog.Kind
	reach  string // "", direct, indirect
	query  url.Values
}

type choice struct{ Value, Label string }

var (
	changes = []choice{{string(impact.Drop), "Drop"}, {string(impact.Rename), "Rename"}, {string(impact.Type), "Change type"}}
	reaches = []choice{{"", "Direct and indirect"}, {"direct", "Direct only"}, {"indirect", "Indirect only"}}
)

const (
	maxRoots = 20
	maxText  = 200
	maxRef   = 600
)

func readFilter(raw url.Values) filter {
	f := filter{change: impact.Drop, query: url.Values{}}
	named := ""
	for _, text := range raw["ref"] {
		r, ok := catalog.ParseRef(text)
		switch {
		case !ok || len(text) > maxRef:
			named = text // as the command line spells it: orders.total
		case !slices.Contains(f.roots, r) && len(f.roots) < maxRoots:
			f.roots = append(f.roots, r)
			f.query.Add("ref", text)
		}
	}
	if c := impact.Change(raw.Get("change")); c == impact.Rename || c == impact.Type {
		f.change = c
		f.query.Set("change", string(c))
	}
	f.add = ui.Clip(strings.TrimSpace(cmp.Or(raw.Get("add"), named)), maxText)
	switch b := impact.Breaks(raw.Get("breaks")); b {
	case impact.Yes, impact.Maybe, impact.No:
		f.breaks = b
		f.query.Set("breaks", string(b))
	}
	for _, text := range raw["kind"] {
		if k := catalog.Kind(text); slices.Contains(catalog.Kinds(), k) && !slices.Contains(f.kinds, k) {
			f.kinds = append(f.kinds, k)
			f.query.Add("kind", text)
		}
	}
	if r := raw.Get("reach"); r == "direct" || r == "indirect" {
		f.reach = r
		f.query.Set("reach", r)
	}
	if p := raw.Get("page"); p != "" && len(p) < 8 {
		f.query.Set("page", p)
	}
	return f
}

// asked is the query without filters: the roots and the change.
func (f filter) asked() url.Values {
	q := url.Values{"ref": f.query["ref"]}
	if c := f.query.Get("change"); c != "" {
		q.Set("change", c)
	}
	return q
}

func (f filter) reaches(a *impact.Affected) bool {
	return f.reach == "" || a.Direct == (f.reach == "direct")
}

func (f filter) ofKind(a *impact.Affected) bool {
	return len(f.kinds) == 0 || slices.Contains(f.kinds, a.Asset.Kind)
}

// offered reports whether a change can be chosen: only columns have a type.
func (f filter) offered(change string) bool {
	return change != string(impact.Type) || f.change == impact.Type || !slices.ContainsFunc(f.roots, func(r catalog.Ref) bool { return r.Kind != catalog.KindColumn })
}
