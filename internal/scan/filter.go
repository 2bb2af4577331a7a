package scan

import (
	"maps"
	"slices"

	"github.com/metalens/metalens/internal/catalog"
)

// filter knows which collections are left out: those the operator excluded and,
// unless asked for, personal ones; each with everything below.
type filter struct {
	excluded map[string]bool
	personal map[string]bool
}

func (f filter) collection(id string) bool { return f.excluded[id] || f.personal[id] }

func (r *run) filter() filter {
	f := filter{excluded: map[string]bool{}, personal: map[string]bool{}}
	var list []*catalog.Collection
	for _, name := range []string{"collections", "discovery"} {
		list = append(list, r.part(name).Collections...)
	}
	for _, id := range r.options.ExcludedCollections {
		f.excluded[id] = true
	}
	for _, c := range list {
		if c.EntityID != "" && slices.Contains(r.options.ExcludedCollections, c.EntityID) {
			f.excluded[c.ID] = true
		}
	}
	if !r.options.IncludePersonal {
		for _, c := range list {
			if c.PersonalOwnerID != "" {
				f.personal[c.ID] = true
			}
		}
	}
	spread(f.excluded, list)
	spread(f.personal, list)
	return f
}

// spread adds the collections below those of a set, except that excluding the
// root does not exclude every top-level collection: the root's own content and
// all collections are different things to people.
func spread(set map[string]bool, list []*catalog.Collection) {
	if len(set) == 0 {
		return
	}
	below := map[string][]string{}
	for _, c := range list {
		if c.ParentID != catalog.RootCollectionID {
			below[c.ParentID] = append(below[c.ParentID], c.ID)
		}
	}
	queue := slices.Collect(maps.Keys(set))
	for len(queue) > 0 {
		id := queue[0]
		queue = queue[1:]
		for _, child := range below[id] {
			if !set[child] {
				set[child] = true
				queue = append(queue, child)
			}
		}
	}
}

// Exclude leaves the excluded and, unless asked for, the personal collections
// out of a snapshot that was read elsewhere, from an export. It changes the
// snapshot's lists.
func Exclude(s *catalog.Snapshot, excluded []string, includePersonal bool) *catalog.Snapshot {
	r := &run{options: Options{ExcludedCollections: excluded, IncludePersonal: includePersonal}, parts: map[string]*part{}}
	p := newPart()
	p.Snapshot = *s
	r.parts["collections"] = p
	out := *s
	r.assembleAssets(&out, p)
	dropStrayUsage(&out)
	out.Gaps = tidyGaps(out.Gaps)
	out.Sort()
	return &out
}
