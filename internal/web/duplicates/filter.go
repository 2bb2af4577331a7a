package duplicates

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/web/ui"
)

// filter is what the address asks for.
type filter struct {
	text       string
	kind       similar.Kind
	asset      catalog.Kind
	collection string
	least      int // per cent
	sort       string
	query      url.Values // cleaned, without empty and unknown keys
}

type choice struct{ Value, Label string }

var (
	kindTabs = []choice{{"", "All"}, {string(similar.Exact), "Exact"}, {string(similar.Equivalent), "Same meaning"}, {string(similar.Near), "Near"}}
	assets   = []choice{{"", "All kinds"}, {"question", "Questions"}, {"model", "Models"}, {"metric", "Metrics"}, {"dashboard", "Dashboards"}}
	scores   = []choice{{"", "Any similarity"}, {"85", "85 % and more"}, {"90", "90 % and more"}, {"95", "95 % and more"}, {"100", "100 %"}}
	sorts    = []choice{{"", "Most copies"}, {"views", "Views"}, {"dashboards", "Dashboards"}, {"score", "Similarity"}, {"name", "Name"}}
)

const maxText = 200

func has(list []choice, value string) bool {
	return slices.ContainsFunc(list, func(c choice) bool { return c.Value == value })
}

func readFilter(raw url.Values) filter {
	f := filter{query: url.Values{}}
	set := func(key, value string) {
		if value != "" {
			f.query.Set(key, value)
		}
	}
	f.text = ui.Clip(strings.TrimSpace(raw.Get("q")), maxText)
	set("q", f.text)
	if k := raw.Get("kind"); has(kindTabs, k) {
		f.kind = similar.Kind(k)
		set("kind", k)
	}
	if k := raw.Get("asset"); has(assets, k) {
		f.asset = catalog.Kind(k)
		set("asset", k)
	}
	if id := raw.Get("collection"); len(id) <= maxText {
		f.collection = id
		set("collection", id)
	}
	if n, err := strconv.Atoi(raw.Get("score")); err == nil && n > 0 && n <= 100 {
		f.least = n
		set("score", strconv.Itoa(n))
	}
	if s := raw.Get("sort"); has(sorts, s) {
		f.sort = s
		set("sort", s)
	}
	if p := raw.Get("page"); len(p) < 8 {
		set("page", p)
	}
	return f
}

func (f filter) narrowed() bool {
	return f.text != "" || f.kind != "" || f.asset != "" || f.collection != "" || f.least > 0
}

// ready lower-cases the text once for all matches.
func (f filter) words() []string { return strings.Fields(strings.ToLower(f.text)) }

// matches reports whether a cluster is asked for, its kind aside.
func (f filter) matches(c *cluster, words []string) bool {
	switch {
	case f.asset != "" && c.Asset != f.asset,
		f.least > 0 && c.Score*100 < float64(f.least):
		return false
	}
	if f.collection != "" {
		if _, ok := slices.BinarySearch(c.homes, f.collection); !ok {
			return false
		}
	}
	return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(c.text, w) })
}

// listed reports whether a cluster stands in the list of a kind. Without a kind
// the outermost clusters are listed: what they hold is not counted twice.
func listed(c *cluster, kind similar.Kind) bool {
	if kind == "" {
		return !c.Inside
	}
	return c.Kind == kind
}

// choose returns the clusters that are asked for, in order, and how many there
// would be of each kind.
func (f filter) choose(all []cluster) (list []*cluster, counts map[similar.Kind]int) {
	words := f.words()
	counts = map[similar.Kind]int{}
	for i := range all {
		c := &all[i]
		if !f.matches(c, words) {
			continue
		}
		for _, tab := range kindTabs {
			if listed(c, similar.Kind(tab.Value)) {
				counts[similar.Kind(tab.Value)]++
			}
		}
		if listed(c, f.kind) {
			list = append(list, c)
		}
	}
	views := func(c *cluster) int64 {
		if c.Views == nil {
			return -1
		}
		return *c.Views
	}
	slices.SortStableFunc(list, func(a, b *cluster) int {
		first := 0
		switch f.sort {
		case "views":
			first = cmp.Compare(views(b), views(a))
		case "dashboards":
			first = b.Dashboards - a.Dashboards
		case "score":
			first = cmp.Compare(b.Score, a.Score)
		case "name":
			first = strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title))
		}
		return cmp.Or(first, len(b.Members)-len(a.Members), cmp.Compare(views(b), views(a)), strings.Compare(a.ID, b.ID))
	})
	return list, counts
}

type chip struct{ Label, Remove string }

func (f filter) chips(path string, places []place) []chip {
	var list []chip
	add := func(label, key string) {
		list = append(list, chip{label, ui.Address(path, ui.Without(f.query, key, ""))})
	}
	if f.text != "" {
		add("“"+ui.Clip(ui.Clean(f.text), 40)+"”", "q")
	}
	if f.asset != "" {
		add(ui.Capital(ui.KindNames(f.asset)), "asset")
	}
	if f.collection != "" {
		label := "Collection " + ui.Clean(f.collection)
		if i := slices.IndexFunc(places, func(p place) bool { return p.ID == f.collection }); i >= 0 {
			label = "In " + ui.Clip(ui.Name(places[i].Path), 60)
		}
		add(label, "collection")
	}
	if f.least > 0 {
		add("At least "+strconv.Itoa(f.least)+" %", "score")
	}
	return list
}
