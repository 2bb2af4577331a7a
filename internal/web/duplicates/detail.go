package duplicates

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/web/ui"
)

// listView is the list of clusters.
type listView struct {
	filter
	Base   string
	Path   string
	Chips  []chip
	Tabs   []tab
	Rows   []*cluster
	Places []place
	Pager  ui.PagerView
	Spare  int // members beyond the ones to keep, of what is listed
	Any    bool
}

type tab struct {
	Key, Label, Href string
	Count            int
	Current          bool
}

// maxPlaces bounds the choice of collections.
const maxPlaces = 400

func listOf(base string, content *Content, f filter) listView {
	v := listView{filter: f, Base: base, Path: base + "/duplicates", Places: content.places[:min(len(content.places), maxPlaces)], Any: len(content.clusters) > 0}
	list, counts := f.choose(content.clusters)
	for _, c := range list {
		v.Spare += len(c.Members) - 1
	}
	for _, k := range kindTabs {
		v.Tabs = append(v.Tabs, tab{k.Value, k.Label, ui.Address(v.Path, ui.With(f.query, "kind", k.Value)), counts[similar.Kind(k.Value)], string(f.kind) == k.Value})
	}
	v.Chips = f.chips(v.Path, content.places)
	offset := min(ui.Offset(f.query), len(list))
	v.Rows = list[offset:min(len(list), offset+ui.PerPage)]
	v.Pager = ui.Pages(v.Path, f.query, len(v.Rows), len(list), "group", "groups")
	return v
}

func (v listView) clear() string {
	return ui.Address(v.Path, ui.With(nil, "kind", string(v.kind)))
}

func (v listView) file(ext string) string {
	return ui.Address(v.Path+ext, ui.Without(v.query, "page", ""))
}

// href is the address of a cluster's page.
func (v listView) href(c *cluster) string { return v.Path + "/" + c.ID }

// member is one asset of a cluster with what speaks for keeping it.
type member struct {
	Ref        catalog.Ref
	Name       string
	Path       string // of its collection
	Within     string // name of the dashboard it lives in, if it does
	Owner      string
	External   string
	Views      *int64
	Used       *time.Time
	Created    time.Time
	Verified   bool
	Official   bool
	Keep       bool
	Dependents int
	Dashboards []catalog.Ref
}

func (m member) trust() string {
	switch {
	case m.Verified && m.Official:
		return "verified, official"
	case m.Verified:
		return "verified"
	case m.Official:
		return "official"
	}
	return ""
}

// membersOf lists the members: the one to keep first, then the most viewed.
func membersOf(content *Content, c *cluster) []member {
	x := content.view.Index
	list := make([]member, 0, len(c.Members))
	for _, r := range c.Members {
		m := member{Ref: r, Keep: r == c.Keep, External: x.URL(r), Dashboards: dashboardsOf(content.view, r)}
		a := x.Asset(r)
		if a == nil {
			continue
		}
		m.Name = a.Title()
		home := homeOf(x, a)
		m.Path = x.CollectionPath(home)
		for id, seen := home, map[string]bool{}; id != "" && !seen[id]; id = parentOf(x, id) {
			seen[id] = true
			if at := x.Collection(id); at != nil && at.Official {
				m.Official = true
			}
		}
		owner := ""
		switch a := a.(type) {
		case *catalog.Question:
			m.Verified, m.Created, owner = a.Verified, a.CreatedAt, a.CreatorID
			if d := x.Dashboard(a.DashboardID); d != nil {
				m.Within = d.Name
			}
		case *catalog.Dashboard:
			m.Verified, m.Created, owner = a.Verified, a.CreatedAt, a.CreatorID
		}
		if p := x.Person(owner); p != nil {
			m.Owner = p.Name
		}
		usage := x.Snapshot().Usage[a.Ref()]
		m.Views, m.Used = usage.Views, usage.LastUsedAt
		users := map[catalog.Ref]bool{}
		for _, e := range content.view.Graph.Users(r) {
			if u := x.Asset(e.To); u != nil && !u.IsArchived() {
				users[u.Ref()] = true
			}
		}
		m.Dependents = len(users)
		list = append(list, m)
	}
	views := func(m member) int64 {
		if m.Views == nil {
			return -1
		}
		return *m.Views
	}
	slices.SortStableFunc(list, func(a, b member) int {
		if a.Keep != b.Keep {
			if a.Keep {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(views(b), views(a)), a.Ref.Compare(b.Ref))
	})
	return list
}

// repoint is a dashboard that shows a member which is not the one to keep.
type repoint struct {
	Ref      catalog.Ref
	Name     string
	External string
	Members  []catalog.Ref
	Names    []string
}

func (d repoint) shows() string { return strings.Join(d.Names, ", ") }

// repointOf lists the live dashboards that would have to show the member to keep
// instead of another, the ones with the most cards to change first.
func repointOf(content *Content, c *cluster) []repoint {
	x := content.view.Index
	at := map[catalog.Ref]int{}
	var list []repoint
	for _, m := range membersOf(content, c) {
		if m.Keep {
			continue
		}
		for _, d := range m.Dashboards {
			i, ok := at[d]
			if !ok {
				i = len(list)
				at[d] = i
				list = append(list, repoint{Ref: d, Name: x.Dashboard(d.ID).Name, External: x.URL(d)})
			}
			list[i].Members = append(list[i].Members, m.Ref)
			list[i].Names = append(list[i].Names, m.Name)
		}
	}
	slices.SortStableFunc(list, func(a, b repoint) int {
		return cmp.Or(len(b.Members)-len(a.Members), strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), a.Ref.Compare(b.Ref))
	})
	return list
}

// detailView is the page of one cluster.
type detailView struct {
	Base       string
	Path       string // of the list
	Here       string
	Cluster    *cluster
	Kind       string // what the members have in common, in words
	Members    []member
	More       int // members beyond those listed
	Keep       *member
	Repoint    []repoint
	Contains   []*cluster // stricter clusters inside
	Outer      *cluster   // the looser cluster that holds this one
	A, B       *member    // the two that are compared; nil when there are not two
	Comparison similar.Comparison
	Rows       []diffRow
	Whole      bool // every line is shown
	WholeHref  string
	Now        time.Time
	Ask        []ui.AskLink
}

// maxMembers is how many members one page lists.
const maxMembers = 200

func detailOf(base string, content *Content, c *cluster, query url.Values, now time.Time) detailView {
	v := detailView{
		Base: base, Path: base + "/duplicates", Here: base + "/duplicates/" + c.ID, Cluster: c, Kind: kindWords(c.Kind, c.Asset), Now: now,
		Members: membersOf(content, c), Repoint: repointOf(content, c), Whole: query.Get("lines") == "all",
	}
	for _, id := range c.Contains {
		if i, ok := content.at[id]; ok {
			v.Contains = append(v.Contains, &content.clusters[i])
		}
	}
	if c.Inside {
		for i := range content.clusters {
			if slices.Contains(content.clusters[i].Contains, c.ID) {
				v.Outer = &content.clusters[i]
				break
			}
		}
	}
	for i := range v.Members {
		if v.Members[i].Keep {
			v.Keep = &v.Members[i]
		}
	}
	v.A, v.B = v.pair(query.Get("a"), query.Get("b"))
	if len(v.Members) > maxMembers {
		v.More = len(v.Members) - maxMembers
	}
	if v.A != nil {
		v.WholeHref = ui.Address(v.Here, url.Values{"a": {v.A.Ref.String()}, "b": {v.B.Ref.String()}, "lines": {"all"}})
	}
	return v
}

func (v *detailView) listed() []member { return v.Members[:min(len(v.Members), maxMembers)] }

// pair finds the two members to compare: those asked for, else the one to keep
// and the first other.
func (v *detailView) pair(a, b string) (left, right *member) {
	for i := range v.Members {
		m := &v.Members[i]
		switch m.Ref.String() {
		case a:
			left = m
		case b:
			right = m
		}
	}
	for i := range v.Members {
		m := &v.Members[i]
		if left == nil && m != right {
			left = m
		}
		if right == nil && m != left {
			right = m
		}
	}
	if left == nil || right == nil {
		return nil, nil
	}
	return left, right
}

func (v *detailView) compareHref(m member) string {
	query := url.Values{"b": {m.Ref.String()}}
	if v.Keep != nil {
		query.Set("a", v.Keep.Ref.String())
	}
	return ui.Address(v.Here, query) + "#comparison"
}

// compared reports whether a member is one of the two that are shown.
func (v *detailView) compared(m member) bool {
	return v.A != nil && len(v.Members) > 2 && (m.Ref == v.A.Ref || m.Ref == v.B.Ref)
}

func (v *detailView) compare(ctx context.Context, content *Content) {
	if v.A == nil {
		return
	}
	v.Comparison = similar.Compare(ctx, content.view.Index, v.A.Ref, v.B.Ref)
	v.Rows = rowsOf(v.Comparison.Rows, v.Whole)
}

func (v *detailView) same() bool {
	return !slices.ContainsFunc(v.Comparison.Rows, func(r similar.Row) bool { return r.Op != similar.Same })
}
