// Package duplicates is the pages about content that says the same thing twice:
// the list of clusters, and one cluster with its members, what to keep, and how
// any two of them differ.
package duplicates

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/ui"
)

// Service finds what content repeats.
type Service interface {
	// Duplicates returns the clusters of the last succeeded scan. It answers
	// errs.NotFound when no scan of the connection has succeeded.
	Duplicates(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*Content, error)
}

// Content is the clusters of one scan, ready to be listed. It is safe for
// concurrent use.
type Content struct {
	view     *browse.View
	clusters []cluster // in the order of similar.Find
	at       map[string]int
	byMember map[catalog.Ref]*similar.Cluster
	places   []place
}

// cluster is a group of assets with what the list shows of it.
type cluster struct {
	similar.Cluster
	Title       string // of the one to keep
	Others      []string
	Asset       catalog.Kind // the kind of all members; empty when they differ
	Views       *int64       // of all members; nil when none is known
	Dashboards  int          // live ones that show a member
	Collections int          // that members live in
	Inside      bool         // a looser cluster holds all of it
	homes       []string     // collection ids of members and of everything above, sorted
	text        string       // names and paths in lower case
}

// place is a collection that members live in.
type place struct{ ID, Path string }

// NewContent prepares the clusters of a scan for the pages.
func NewContent(view *browse.View, clusters []similar.Cluster) *Content {
	c := &Content{view: view, at: map[string]int{}, byMember: similar.ByMember(clusters)}
	nested := map[string]bool{}
	for _, one := range clusters {
		for _, id := range one.Contains {
			nested[id] = true
		}
	}
	paths := map[string]string{}
	for _, one := range clusters {
		c.at[one.ID] = len(c.clusters)
		c.clusters = append(c.clusters, c.summary(one, nested[one.ID], paths))
	}
	for id, path := range paths {
		c.places = append(c.places, place{id, path})
	}
	slices.SortFunc(c.places, func(a, b place) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Path), strings.ToLower(b.Path)), strings.Compare(a.ID, b.ID))
	})
	return c
}

// Of returns the strictest cluster that holds an asset; ok is false when none does.
func (c *Content) Of(r catalog.Ref) (id string, ok bool) {
	if found := c.byMember[r]; found != nil {
		return found.ID, true
	}
	return "", false
}

func (c *Content) summary(one similar.Cluster, inside bool, paths map[string]string) cluster {
	x := c.view.Index
	s := cluster{Cluster: one, Inside: inside, Asset: one.Members[0].Kind}
	var text strings.Builder
	homes, above, dashboards := map[string]bool{}, map[string]bool{}, map[catalog.Ref]bool{}
	var views int64
	known := false
	for _, m := range one.Members {
		if m.Kind != s.Asset {
			s.Asset = ""
		}
		a := x.Asset(m)
		if a == nil {
			continue
		}
		if m == one.Keep {
			s.Title = a.Title()
		} else {
			s.Others = append(s.Others, a.Title())
		}
		if v := x.Snapshot().Usage[a.Ref()].Views; v != nil {
			views, known = views+*v, true
		}
		home := homeOf(x, a)
		homes[home] = true
		for id := home; id != "" && !above[id]; id = parentOf(x, id) {
			above[id] = true
			if paths[id] == "" {
				paths[id] = x.CollectionPath(id)
			}
		}
		for _, d := range dashboardsOf(c.view, m) {
			dashboards[d] = true
		}
		text.WriteString(strings.ToLower(a.Title()))
		text.WriteByte('\n')
		text.WriteString(strings.ToLower(paths[home]))
		text.WriteByte('\n')
	}
	if known {
		s.Views = &views
	}
	s.Dashboards, s.Collections = len(dashboards), len(homes)
	for id := range above {
		s.homes = append(s.homes, id)
	}
	slices.Sort(s.homes)
	s.text = text.String()
	return s
}

// homeOf is the collection that an asset is found in; a question that lives
// inside a dashboard is found where the dashboard is.
func homeOf(x *catalog.Index, a catalog.Asset) string {
	home := a.InCollection()
	if q, ok := a.(*catalog.Question); ok && q.DashboardID != "" {
		if d := x.Dashboard(q.DashboardID); d != nil {
			home = d.CollectionID
		}
	}
	if home == "" {
		return catalog.RootCollectionID
	}
	return home
}

func parentOf(x *catalog.Index, id string) string {
	c := x.Collection(id)
	if c == nil {
		return ""
	}
	return c.ParentID
}

// dashboardsOf lists the live dashboards that show an asset, sorted.
func dashboardsOf(view *browse.View, r catalog.Ref) []catalog.Ref {
	var list []catalog.Ref
	for _, e := range view.Graph.Users(r) {
		if e.To.Kind != catalog.KindDashboard {
			continue
		}
		if d := view.Index.Dashboard(e.To.ID); d != nil && !d.Archived {
			list = append(list, d.Ref())
		}
	}
	slices.SortFunc(list, catalog.Ref.Compare)
	return slices.Compact(list)
}

// Similarity writes how alike the members are, "92 %", rounded down.
func (s cluster) Similarity() string {
	return strconv.Itoa(int(math.Floor(s.Score*100))) + " %"
}

// Label is the kind in words.
func (s cluster) Label() string {
	switch s.Kind {
	case similar.Exact:
		return "Exact"
	case similar.Equivalent:
		return "Same meaning"
	}
	return s.Similarity() + " alike"
}

// Size counts the members with their noun.
func (s cluster) Size() string {
	if s.Asset == "" {
		return ui.Count(len(s.Members), "item", "items")
	}
	return ui.KindCount(len(s.Members), s.Asset)
}
