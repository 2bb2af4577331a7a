package impact

import (
	"cmp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/report"
)

// couldHide reports whether an unresolved use may be one of a root: what surely
// points elsewhere may not.
func (j *judge) couldHide(u *lineage.Unresolved) bool {
	if j.walk.nodes[u.Asset] != nil || len(j.changed) == 0 && len(j.tables) == 0 {
		return false
	}
	if !u.Target.IsZero() && u.Reason != "schema_unread" {
		return false // a missing question, table or column: not the root, which exists
	}
	return true
}

// hidden looks for uses that lineage could not read. An asset whose text names
// the root is reached by that; one whose text cannot be looked at is a gap.
func (j *judge) hidden() []NotEvaluated {
	tables, databases := j.changedTables(), j.databases()
	var gaps []NotEvaluated
	seen := map[catalog.Ref]bool{}
	for i := range j.in.Unresolved {
		u := &j.in.Unresolved[i]
		if seen[u.Asset] || !j.couldHide(u) {
			continue
		}
		seen[u.Asset] = true
		a := j.body(u.Asset)
		if elsewhere(a, databases) {
			continue
		}
		if !j.hasSQL(u.Asset) || u.Reason == "not_sql" {
			gaps = append(gaps, NotEvaluated{Asset: u.Asset, Name: title(j.in.Index, u.Asset), Reason: u.Reason, Detail: u.Detail})
			continue
		}
		if named := j.rootsIn(u.Asset, tables); len(named) > 0 {
			n := j.walk.node(u.Asset)
			n.hidden = true
			for _, root := range named {
				j.walk.connect(arrow{root, u.Asset, lineage.ViaQuery, finding.Possible})
			}
			j.walk.everything(u.Asset)
		}
	}
	return j.unread(gaps)
}

// changedTables are the tables that change, or a column of which does.
func (j *judge) changedTables() map[string]bool {
	tables := map[string]bool{}
	for id := range j.tables {
		tables[id] = true
	}
	for id := range j.changed {
		tables[catalog.TableOfColumn(id)] = true
	}
	return tables
}

// databases are the ids of those that change.
func (j *judge) databases() map[string]bool {
	databases := map[string]bool{}
	for id := range j.changedTables() {
		database, _, _, _, _ := catalog.SplitID(id)
		databases[database] = true
	}
	return databases
}

// elsewhere reports whether an asset reads other databases only. What has no
// database of its own may read any.
func elsewhere(a catalog.Asset, databases map[string]bool) bool {
	if a == nil {
		return true
	}
	database := databaseOf(a)
	return database != "" && !databases[database] && !strings.HasPrefix(database, "-")
}

// hiddenRoots are the roots whose table a text names and, where a column changes,
// the column or all columns.
func (j *judge) hiddenRoots(a catalog.Asset, tables map[string]bool) []catalog.Ref {
	var out []catalog.Ref
	for id := range tables {
		if !j.mentions(a, nil, map[string]bool{id: true}).named {
			continue
		}
		if j.tables[id] {
			out = append(out, catalog.Ref{Kind: catalog.KindTable, ID: id})
			continue
		}
		for r := range j.roots {
			if r.Kind != catalog.KindColumn || catalog.TableOfColumn(r.ID) != id {
				continue
			}
			if m := j.mentions(a, map[string]bool{r.ID: true}, nil); m.named || m.star {
				out = append(out, r)
			}
		}
	}
	slices.SortFunc(out, catalog.Ref.Compare)
	return out
}

// unread adds what the scan did not read at all.
func (j *judge) unread(gaps []NotEvaluated) []NotEvaluated {
	s := j.in.Index.Snapshot()
	for _, g := range s.Gaps {
		switch {
		case g.Kind == catalog.KindPerson, g.Kind == catalog.KindGroup:
			continue // nothing of them could use a root
		case g.Expected && !strings.HasSuffix(g.What, " collections"):
			continue // this Metabase has no such thing, or it was read in another way
		}
		gaps = append(gaps, NotEvaluated{Reason: "not_read", Detail: g.What + ": " + g.Reason})
	}
	unread := 0
	for _, d := range s.Dashboards {
		if d.DetailUnread && !d.Archived {
			unread++
		}
	}
	if unread > 0 {
		gaps = append(gaps, NotEvaluated{Reason: "dashboards_unread", Detail: report.Plural(unread, "dashboard was", "dashboards were") + " not read in detail: what they show is not known"})
	}
	slices.SortStableFunc(gaps, func(a, b NotEvaluated) int {
		return cmp.Or(a.Asset.Compare(b.Asset), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Detail, b.Detail))
	})
	return slices.Compact(gaps)
}
