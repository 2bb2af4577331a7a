package impact

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// reading is what the verdicts need of a question's text. It is taken when the
// text is fetched, so that the texts of thousands of questions need not be held
// at once.
type reading struct {
	sql     bool // it has SQL
	blocks  bool // with optional blocks
	mention mention
	outside bool          // it names a root outside its snippets
	roots   []catalog.Ref // roots that it names, where its lineage is incomplete
}

// bodyBatch is how many assets are fetched at once.
const bodyBatch = 256

// demand is what is to be fetched.
type demand struct {
	first    []catalog.Ref // snippets, which the texts of others are read with
	rest     []catalog.Ref
	snippets map[catalog.Ref]bool // assets of rest that use snippets
	hiding   map[catalog.Ref]bool // assets of rest whose lineage is incomplete
}

// demand finds the queries that the verdicts need.
func (j *judge) demand() demand {
	d := demand{snippets: map[catalog.Ref]bool{}, hiding: map[catalog.Ref]bool{}}
	snippets, rest := map[catalog.Ref]bool{}, map[catalog.Ref]bool{}
	for r, n := range j.walk.nodes {
		switch r.Kind {
		case catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindTransform, catalog.KindAction, catalog.KindSegment, catalog.KindMeasure:
		case catalog.KindDashboard:
			if len(n.uses) > 0 {
				rest[r] = true
			}
			continue
		default:
			continue
		}
		for _, e := range j.in.Graph.Sources(r) {
			if e.From.Kind == catalog.KindSnippet {
				snippets[e.From], d.snippets[r] = true, true
			}
		}
		if d.snippets[r] || len(n.uses) > 0 || slices.ContainsFunc(n.in, func(a arrow) bool { return j.roots[a.from] }) {
			rest[r] = true
		}
	}
	for root := range j.roots {
		if root.Kind != catalog.KindColumn {
			continue
		}
		for _, e := range j.in.Graph.Users(catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(root.ID)}) {
			if e.To.Kind == catalog.KindAction {
				rest[e.To] = true
			}
		}
	}
	databases := j.databases()
	for i := range j.in.Unresolved {
		if u := &j.in.Unresolved[i]; j.couldHide(u) && !elsewhere(j.in.Index.Asset(u.Asset), databases) {
			rest[u.Asset], d.hiding[u.Asset] = true, true
		}
	}
	d.first, d.rest = sorted(snippets), sorted(rest)
	return d
}

func sorted(set map[catalog.Ref]bool) []catalog.Ref {
	list := make([]catalog.Ref, 0, len(set))
	for r := range set {
		list = append(list, r)
	}
	slices.SortFunc(list, catalog.Ref.Compare)
	return list
}

// load fetches the queries that the verdicts need. Questions are kept without
// their text; the next ones are fetched while it is looked through.
func (j *judge) load(ctx context.Context) error {
	if j.in.Bodies == nil {
		return nil
	}
	d := j.demand()
	j.bodies = make(map[catalog.Ref]catalog.Asset, len(d.first)+len(d.rest))
	j.readings = make(map[catalog.Ref]*reading, len(d.rest))
	type batch struct {
		assets map[catalog.Ref]catalog.Asset
		err    error
	}
	fetched := make(chan batch)
	ctx, stop := context.WithCancel(ctx)
	defer func() {
		stop()
		for range fetched { // until the last fetch has ended
		}
	}()
	go func() {
		defer close(fetched)
		for _, list := range [][]catalog.Ref{d.first, d.rest} {
			for refs := range slices.Chunk(list, bodyBatch) {
				assets, err := j.in.Bodies(ctx, refs)
				select {
				case fetched <- batch{assets, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}
	}()
	tables := j.changedTables()
	for b := range fetched {
		if b.err != nil {
			return fmt.Errorf("load the queries: %w", b.err)
		}
		for r, a := range b.assets {
			q, ok := a.(*catalog.Question)
			if !ok {
				j.bodies[r] = a
				continue
			}
			read := &reading{sql: q.Query.SQL != "", blocks: strings.Contains(q.Query.SQL, "[[")}
			if j.walk.nodes[r] != nil {
				read.mention = j.mentions(q, j.judged(), j.tables)
			}
			if d.snippets[r] {
				read.outside = j.namedOutside(q)
			}
			if d.hiding[r] && read.sql {
				read.roots = j.hiddenRoots(q, tables)
			}
			j.readings[r] = read
			j.bodies[r] = &catalog.Question{
				Common: q.Common, Type: q.Type, DatabaseID: q.DatabaseID, Parameters: q.Parameters,
				Query: catalog.Query{DatabaseID: q.Query.DatabaseID, Tags: q.Query.Tags},
			}
		}
	}
	return ctx.Err()
}

// judged are the columns that a text is looked through for. What reads a table
// that a transform fills with the values reads no root: it goes on with the rows
// there are. A new type goes through.
func (j *judge) judged() map[string]bool {
	if j.change == Type {
		return j.columns
	}
	return j.changed
}

// mentioned is how a query names what changes.
func (j *judge) mentioned(r catalog.Ref) mention {
	if read := j.readings[r]; read != nil {
		return read.mention
	}
	return j.mentions(j.body(r), j.judged(), j.tables)
}

// blocks reports whether a query has optional blocks.
func (j *judge) blocks(r catalog.Ref) bool {
	if read := j.readings[r]; read != nil {
		return read.blocks
	}
	sql, _ := j.text(j.body(r))
	return strings.Contains(sql, "[[")
}

// hasSQL reports whether an asset has SQL.
func (j *judge) hasSQL(r catalog.Ref) bool {
	if read := j.readings[r]; read != nil {
		return read.sql
	}
	sql, _ := j.text(j.body(r))
	return sql != ""
}

// rootsIn are the roots that the text of an asset names.
func (j *judge) rootsIn(r catalog.Ref, tables map[string]bool) []catalog.Ref {
	if read := j.readings[r]; read != nil {
		return read.roots
	}
	return j.hiddenRoots(j.body(r), tables)
}

// outside reports whether a query names a root outside its snippets.
func (j *judge) outside(r catalog.Ref) bool {
	if read := j.readings[r]; read != nil {
		return read.outside
	}
	a := j.body(r)
	return a != nil && j.namedOutside(a)
}

func (j *judge) namedOutside(a catalog.Asset) bool {
	sql, _ := j.text(a)
	names := map[string]bool{}
	if len(j.tables) == 0 {
		for id := range j.columns {
			_, _, _, column, _ := catalog.SplitID(id)
			names[strings.ToLower(column)] = true
		}
	}
	for id := range j.tables {
		_, _, table, _, _ := catalog.SplitID(id)
		names[strings.ToLower(table)] = true
	}
	return j.sql(sql, j.dialect(a), names).named
}
