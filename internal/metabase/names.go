package metabase

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
)

// names knows what the numbers in answers mean: tables and columns by
// Metabase's number, engines of databases, collections that are left out, and
// people. It fills as lists are read, or is told by Learn.
type names struct {
	mu      sync.RWMutex
	engines map[string]string
	tables  map[int64]string // number → natural id
	columns map[int64]string

	parents  map[string]string // collection → parent
	personal map[string]string // personal collection → owner
	hidden   map[string]bool   // left out, decided
	complete bool              // the list of collections was read

	people    map[string]*catalog.Person
	allPeople bool // people includes everybody
}

func newNames() *names {
	return &names{
		engines: map[string]string{}, tables: map[int64]string{}, columns: map[int64]string{},
		parents: map[string]string{}, personal: map[string]string{}, hidden: map[string]bool{},
		people: map[string]*catalog.Person{},
	}
}

func (n *names) engine(databaseID string) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.engines[databaseID]
}

func (n *names) learnDatabase(d *catalog.Database) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.engines[d.ID] = d.Engine
}

func (n *names) learnTable(t *catalog.Table) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t.MetabaseID != 0 {
		n.tables[t.MetabaseID] = t.ID
	}
	for _, c := range t.Columns {
		if c.MetabaseID != 0 {
			n.columns[c.MetabaseID] = c.ID
		}
	}
}

// learnColumn notes a column that was left out because another has its name.
func (n *names) learnColumn(number int64, id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.columns[number] = id
}

// table returns the natural id of a table's number, or a placeholder that
// carries the number.
func (n *names) table(databaseID string, num int64) string {
	if num == 0 {
		return ""
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if id := n.tables[num]; id != "" {
		return id
	}
	return catalog.TableID(databaseID, "", "#"+strconv.FormatInt(num, 10))
}

// column returns the natural id of a field's number, or "".
func (n *names) column(num int64) string {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.columns[num]
}

// resolveTable turns a placeholder into the natural id, once known.
func (n *names) resolveTable(id string) string { return n.resolve(n.tables, id) }

func (n *names) resolveColumn(id string) string { return n.resolve(n.columns, id) }

func (n *names) resolve(known map[int64]string, id string) string {
	i := strings.LastIndex(id, "/#")
	if i < 0 {
		return id
	}
	num, err := strconv.ParseInt(id[i+2:], 10, 64)
	if err != nil {
		return id
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return cmp.Or(known[num], id)
}

// seen notes somebody who was named beside content. What the list of people
// said is not overwritten.
func (n *names) seen(id, name string) {
	if id == "" {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if p := n.people[id]; p != nil && (p.Name != "" || name == "") {
		return
	}
	p := &catalog.Person{}
	p.ID, p.Name = id, name
	n.people[id] = p
}

func (n *names) learnPerson(p *catalog.Person) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.people[p.ID] = p
}

func (n *names) seenPeople() []*catalog.Person {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := slices.Collect(maps.Values(n.people))
	slices.SortFunc(out, func(a, b *catalog.Person) int { return catalog.CompareID(a.ID, b.ID) })
	for i, p := range out {
		copied := *p
		if copied.Name == "" {
			copied.Name = "Person " + copied.ID
		}
		out[i] = &copied
	}
	return out
}

// active tells whether a person may log in; nil when that is not known.
func (n *names) active(id string) *bool {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if p := n.people[id]; p != nil && p.Active != nil {
		b := *p.Active
		return &b
	}
	return nil
}

// known reports whether an id is a person's. Where people could not be listed,
// every id is taken for one.
func (n *names) known(id string) bool {
	if id == "" {
		return false
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	return !n.allPeople || n.people[id] != nil
}
