package scan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/metabase"
)

// identify finds out what answers and as whom; it runs in every attempt, so
// that staging of another server version or reader is noticed.
func (r *run) identify(ctx context.Context, p *part, c counter) error {
	identity, err := r.source.Identify(ctx)
	if err != nil {
		return err
	}
	c.add(1)
	p.Instance = identity.Instance
	p.gap(identity.Gaps...)
	before, found, err := r.staged(ctx, "identify")
	if err != nil {
		return err
	}
	if found && !sameServer(before.Instance, p.Instance) {
		r.started = r.options.Now().UTC()
		if err := r.restart(ctx); err != nil {
			return err
		}
		found = false
	}
	if found {
		r.resume(before)
		return nil
	}
	return r.stage(ctx, "identify", p)
}

func sameServer(a, b catalog.Instance) bool {
	return a.URL == b.URL && a.Version == b.Version && a.Edition == b.Edition &&
		a.Reader.PersonID == b.Reader.PersonID && a.Reader.Admin == b.Reader.Admin && slices.Equal(a.Reader.GroupIDs, b.Reader.GroupIDs)
}

func (r *run) collections(ctx context.Context, p *part, c counter) error {
	list, gaps, err := r.source.Collections(ctx)
	switch {
	case metabase.IsMissing(err):
		p.facts.NoCollections = true
		gaps = append(gaps, catalog.Gap{What: "list of collections", Reason: "this server has none; collections were discovered one by one", Status: 404, Expected: true})
	case err != nil:
		return err
	}
	if err := needed("collections", ofKind(gaps, catalog.KindCollection)); err != nil {
		return err
	}
	p.Collections = list
	p.gap(gaps...)
	c.add(len(list))
	return nil
}

func ofKind(gaps []catalog.Gap, kind catalog.Kind) []catalog.Gap {
	return slices.DeleteFunc(slices.Clone(gaps), func(g catalog.Gap) bool { return g.Kind != kind })
}

func (r *run) databases(ctx context.Context, p *part, c counter) error {
	list, err := optional(ctx, p, "databases", catalog.KindDatabase, previous(r, func(s *catalog.Snapshot) []*catalog.Database { return s.Databases }), r.source.Databases)
	p.Databases = list
	c.add(len(list))
	return err
}

// previous picks a list of the scan before.
func previous[A any](r *run, pick func(*catalog.Snapshot) []A) []A {
	if r.options.Previous == nil {
		return nil
	}
	return pick(r.options.Previous)
}

// schema combines the heads of all tables, which one request lists, with the
// columns, which each database has to be asked for. Columns are taken over from
// the scan before while they are young and the database has the same tables.
func (r *run) schema(ctx context.Context, p *part, c counter) error {
	heads, usage, gaps, err := r.source.Tables(ctx)
	if err != nil {
		if fatal(ctx, err) {
			return err
		}
		gaps = append(gaps, catalog.Gap{What: "list of all tables", Reason: gapOf("", "", err).Reason, Expected: metabase.IsMissing(err)})
	}
	p.facts.TablesListed = err == nil && len(heads) > 0
	for i := range gaps {
		gaps[i].Whole = false // each database's own schema decides
	}
	p.gap(gaps...)
	p.uses(usage)
	p.Databases = r.missingDatabases(heads)
	headsOf := map[string][]*catalog.Table{}
	for _, t := range heads {
		headsOf[t.DatabaseID] = append(headsOf[t.DatabaseID], t)
	}
	before := map[string][]*catalog.Table{}
	for _, t := range previous(r, func(s *catalog.Snapshot) []*catalog.Table { return s.Tables }) {
		before[t.DatabaseID] = append(before[t.DatabaseID], t)
	}
	p.Marks.SchemaReadAt = map[string]time.Time{}
	databases := slices.Concat(r.part("databases").Databases, p.Databases)
	c.expect(len(databases))

	var mu sync.Mutex
	read := make([][]*catalog.Table, len(databases))
	workers, workCtx := errgroup.WithContext(ctx)
	workers.SetLimit(r.options.Concurrency)
	for i, d := range databases {
		workers.Go(func() error {
			defer c.add(1)
			if at, ok := r.schemaCached(d.ID, headsOf[d.ID], before[d.ID], p.facts.TablesListed); ok {
				read[i] = reuseSchema(before[d.ID], headsOf[d.ID])
				r.source.Learn(nil, read[i])
				mu.Lock()
				defer mu.Unlock()
				p.Marks.SchemaReadAt[d.ID] = at
				return nil
			}
			tables, usage, gaps, at, err := r.schemaOf(workCtx, d, before[d.ID])
			if err != nil {
				return err
			}
			read[i] = combine(tables, headsOf[d.ID])
			mu.Lock()
			defer mu.Unlock()
			if !at.IsZero() {
				p.Marks.SchemaReadAt[d.ID] = at
			}
			p.uses(usage)
			p.gap(gaps...)
			return nil
		})
	}
	if err := workers.Wait(); err != nil {
		return err
	}
	p.Tables = slices.Concat(read...)
	r.source.Learn(p.Databases, p.Tables)
	return nil
}

// missingDatabases makes rows for databases that only tables name, on servers
// without a list of databases.
func (r *run) missingDatabases(heads []*catalog.Table) []*catalog.Database {
	known := map[string]bool{"": true}
	for _, d := range r.part("databases").Databases {
		known[d.ID] = true
	}
	if len(known) > 1 {
		return nil
	}
	var list []*catalog.Database
	for _, t := range heads {
		if !known[t.DatabaseID] {
			known[t.DatabaseID] = true
			list = append(list, &catalog.Database{Common: catalog.Common{ID: t.DatabaseID, Name: "Database " + t.DatabaseID}})
		}
	}
	return list
}

// schemaOf reads one database's schema. Where that fails for a passing reason,
// the tables of the scan before stand in; at is zero then, so that the next
// scan tries again.
func (r *run) schemaOf(ctx context.Context, d *catalog.Database, before []*catalog.Table) ([]*catalog.Table, map[catalog.Ref]catalog.Usage, []catalog.Gap, time.Time, error) {
	tables, usage, gaps, err := r.source.Schema(ctx, d.ID)
	what := "tables of database " + d.Name
	if err != nil {
		if fatal(ctx, err) {
			return nil, nil, nil, time.Time{}, err
		}
		g := gapOf(what, catalog.KindTable, err)
		if metabase.IsMissing(err) {
			g.Status = 404
		}
		gaps = append(gaps, g)
	}
	at := r.options.Now().UTC()
	for i := range gaps {
		if gaps[i].Kind == catalog.KindTable && !gaps[i].Expected && len(tables) == 0 {
			at = time.Time{}
			if passing(gaps[i]) && len(before) > 0 {
				tables = before
				gaps[i].Reason += "; shown as read before"
			}
		}
		gaps[i].Whole = false // other databases may be known
	}
	return tables, usage, gaps, at, nil
}

// schemaCached decides whether a schema may be taken over, and since when it is
// known.
func (r *run) schemaCached(database string, heads, before []*catalog.Table, listed bool) (time.Time, bool) {
	if r.options.RefreshSchema || r.options.Previous == nil || len(before) == 0 {
		return time.Time{}, false
	}
	at, ok := r.options.Previous.Marks.SchemaReadAt[database]
	age := r.started.Sub(at)
	if !ok || age < 0 || age > schemaLife {
		return time.Time{}, false
	}
	return at, !listed || sameTables(heads, before)
}

// sameTables reports whether the listed tables are those known as active.
func sameTables(heads, before []*catalog.Table) bool {
	active := map[int64]bool{}
	for _, t := range before {
		if !t.Inactive && !t.Archived {
			active[t.MetabaseID] = true
		}
	}
	for _, t := range heads {
		if !active[t.MetabaseID] {
			return false
		}
		delete(active, t.MetabaseID)
	}
	return len(active) == 0
}

// reuseSchema puts known columns under freshly listed table heads.
func reuseSchema(before, heads []*catalog.Table) []*catalog.Table {
	fresh := map[string]*catalog.Table{}
	for _, t := range heads {
		fresh[t.ID] = t
	}
	list := make([]*catalog.Table, 0, len(before))
	for _, old := range before {
		if h := fresh[old.ID]; h != nil && h.MetabaseID == old.MetabaseID {
			t := *h
			t.Columns, t.ColumnsUnread = old.Columns, old.ColumnsUnread
			list = append(list, &t)
			continue
		}
		list = append(list, old)
	}
	return list
}

// combine adds the tables that only the list names, flagged as unread.
func combine(tables, heads []*catalog.Table) []*catalog.Table {
	known := map[string]bool{}
	numbers := map[int64]bool{}
	for _, t := range tables {
		known[t.ID] = true
		numbers[t.MetabaseID] = t.MetabaseID != 0
	}
	out := slices.Clone(tables)
	for _, h := range heads {
		if known[h.ID] || numbers[h.MetabaseID] {
			continue
		}
		known[h.ID] = true
		t := *h
		t.ColumnsUnread = len(t.Columns) == 0
		out = append(out, &t)
	}
	return out
}

// lostTables looks up tables that questions name by a number no list has,
// typically dropped ones. What was asked in vain before is not asked again.
func (r *run) lostTables(ctx context.Context, p *part, questions []*catalog.Question, earlier *catalog.Snapshot) error {
	wanted := map[int64]bool{}
	for _, q := range questions {
		if n, ok := placeholder(q.TableID); ok {
			wanted[n] = true
		}
	}
	if earlier != nil {
		for _, q := range earlier.Questions {
			if n, ok := placeholder(q.TableID); ok {
				delete(wanted, n)
			}
		}
	}
	numbers := slices.Sorted(maps.Keys(wanted))
	if len(numbers) > lostTables {
		p.gap(catalog.Gap{What: "tables that no list names", Kind: catalog.KindTable, Reason: fmt.Sprintf("%d were not asked for, to spare the server", len(numbers)-lostTables)})
		numbers = numbers[:lostTables]
	}
	for _, n := range numbers {
		t, gaps, err := r.source.TableByNumber(ctx, n)
		if err != nil {
			if fatal(ctx, err) {
				return err
			}
			gaps = append(gaps, catalog.Gap{What: "table " + strconv.FormatInt(n, 10), Reason: gapOf("", "", err).Reason})
		}
		p.gap(gaps...)
		if t != nil {
			found := *t
			found.ColumnsUnread = len(found.Columns) == 0
			p.Tables = append(p.Tables, &found)
			r.source.Learn(nil, []*catalog.Table{&found})
		}
	}
	return nil
}

// placeholder takes the number out of a table id that could not be resolved.
func placeholder(tableID string) (int64, bool) {
	_, _, name, _, ok := catalog.SplitID(tableID)
	if !ok || len(name) < 2 || name[0] != '#' {
		return 0, false
	}
	n, err := strconv.ParseInt(name[1:], 10, 64)
	return n, err == nil
}
