package check

import (
	"github.com/metalens/metalens/internal/catalog"
)

// place is what a collection and all above it say about the content in it.
type place struct {
	archived bool // the collection or one above it is in the trash
	personal bool // somebody's own
	foreign  bool // Metabase's own samples, examples and usage analytics
	unknown  bool // the collection was not read
}

// places resolves every collection once.
type places struct {
	index *catalog.Index
	known map[string]place
}

func newPlaces(x *catalog.Index) places {
	p := places{index: x, known: map[string]place{}}
	for _, c := range x.Snapshot().Collections {
		p.resolve(c.ID, 0)
	}
	p.resolve(catalog.RootCollectionID, 0)
	return p
}

// deepest bounds the walk: parents may form a cycle in a broken answer.
const deepest = 64

func (p places) resolve(id string, depth int) place {
	if found, ok := p.known[id]; ok {
		return found
	}
	c := p.index.Collection(id)
	var out place
	switch {
	case c == nil && id == catalog.RootCollectionID:
	case c == nil:
		out.unknown = true
	default:
		out = place{
			archived: c.Archived || c.Type == "trash",
			personal: c.PersonalOwnerID != "",
			foreign:  c.Sample || c.Type == "instance-analytics",
		}
		if c.ParentID != "" && c.ParentID != id && depth < deepest {
			up := p.resolve(c.ParentID, depth+1)
			out.archived = out.archived || up.archived
			out.personal = out.personal || up.personal
			out.foreign = out.foreign || up.foreign
		}
	}
	p.known[id] = out
	return out
}

// at says what the place of a collection id is; read-only after building.
func (p places) at(id string) place {
	if id == "" {
		return place{}
	}
	if found, ok := p.known[id]; ok {
		return found
	}
	return place{unknown: true}
}

// placeOf finds the place an asset belongs to. Questions inside a dashboard,
// subscriptions and alerts belong where their dashboard or question is.
func (p places) placeOf(a catalog.Asset) place {
	switch a := a.(type) {
	case *catalog.Collection:
		return p.at(a.ID)
	case *catalog.Question:
		if d := p.index.Dashboard(a.DashboardID); d != nil {
			return p.at(d.CollectionID)
		}
	case *catalog.Subscription:
		if d := p.index.Dashboard(a.DashboardID); d != nil {
			return p.at(d.CollectionID)
		}
		return p.at(a.CollectionID)
	case *catalog.Alert:
		if q := p.index.Question(a.QuestionID); q != nil {
			return p.placeOf(q)
		}
		return place{}
	case *catalog.Action:
		if q := p.index.Question(a.ModelID); q != nil {
			return p.placeOf(q)
		}
		return place{}
	}
	return p.at(a.InCollection())
}

// database says whether an asset reads Metabase's own usage database.
func (p places) audit(a catalog.Asset) bool {
	var id string
	switch a := a.(type) {
	case *catalog.Question:
		id = a.DatabaseID
		if id == "" {
			id = a.Query.DatabaseID
		}
	case *catalog.Table:
		id = a.DatabaseID
	case *catalog.Database:
		id = a.ID
	}
	d := p.index.Database(id)
	return d != nil && d.Audit
}

// Archived reports whether an asset is in the trash, by itself or with the
// collection it is in.
func (f *Facts) Archived(a catalog.Asset) bool { return a.IsArchived() || f.places.placeOf(a).archived }

// Personal reports whether an asset lives in somebody's personal collection.
func (f *Facts) Personal(a catalog.Asset) bool { return f.places.placeOf(a).personal }

// InScope reports whether checks judge an asset: it is not in the trash, not a
// mere stand-in for left-out content, not Metabase's own sample or usage-analytics content, and, unless personal is
// set, not in a personal collection.
func (f *Facts) InScope(a catalog.Asset, personal bool) bool {
	if a == nil || a.IsArchived() {
		return false
	}
	if q, ok := a.(*catalog.Question); ok && standIn(q) {
		return false
	}
	at := f.places.placeOf(a)
	return !at.archived && !at.foreign && (personal || !at.personal) && !f.places.audit(a)
}
