package impact

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// kindOf reads the kind that a reference begins with, Metabase's own words
// included.
func kindOf(word string) (catalog.Kind, bool) {
	switch word = strings.ToLower(word); word {
	case "card":
		return catalog.KindQuestion, true
	case "dataset":
		return catalog.KindModel, true
	case "pulse":
		return catalog.KindSubscription, true
	}
	k := catalog.Kind(word)
	return k, slices.Contains(catalog.Kinds(), k)
}

// Resolve finds what a reference means: question:12, dashboard:3, schema.table,
// schema.table.column, table, table.column, db/schema/table[/column]. Names
// compare exactly first, then in any case; "double quotes" hold a name with
// dots. errs.Conflict for an ambiguous name, errs.NotFound for an unknown one;
// both say what there is.
func Resolve(x *catalog.Index, text string) (catalog.Ref, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return catalog.Ref{}, errs.New(errs.Invalid, "empty_reference", "An empty reference names nothing.", referenceHint)
	}
	if word, id, ok := strings.Cut(text, ":"); ok {
		if kind, known := kindOf(word); known {
			return byKind(x, kind, strings.TrimSpace(id))
		}
	}
	if strings.Contains(text, "/") {
		return byPath(x, text)
	}
	return pick(x, text, byName(x, nameParts(text)))
}

const referenceHint = "Write question:12, dashboard:3, schema.table, schema.table.column or db/schema/table/column."

func byKind(x *catalog.Index, kind catalog.Kind, id string) (catalog.Ref, error) {
	r := catalog.Ref{Kind: kind, ID: id}
	if kind == catalog.KindColumn {
		if c := x.Column(id); c != nil {
			return c.Ref(), nil
		}
	} else if a := x.Asset(r); a != nil {
		return a.Ref(), nil
	} else if a := x.ByEntity(id); a != nil && (a.Ref().Kind == kind || a.Ref().Kind.IsCard() && kind.IsCard()) {
		return a.Ref(), nil
	}
	if kind == catalog.KindTable || kind == catalog.KindColumn {
		return Resolve(x, id)
	}
	return catalog.Ref{}, errs.New(errs.NotFound, "unknown_reference", fmt.Sprintf("There is no %s %s in this scan.", kind, id),
		"Look it up with the search of metalens serve, or scan again if it is new.")
}

// byPath resolves db/schema/table[/column], the database by id or name.
func byPath(x *catalog.Index, text string) (catalog.Ref, error) {
	database, schema, table, column, ok := catalog.SplitID(text)
	if !ok {
		return catalog.Ref{}, errs.New(errs.Invalid, "bad_reference", fmt.Sprintf("%s has neither three nor four parts.", text), referenceHint)
	}
	var found []catalog.Ref
	for _, fold := range []bool{false, true} {
		same := func(a, b string) bool { return a == b || fold && strings.EqualFold(a, b) }
		for _, t := range x.Snapshot().Tables {
			if !same(t.Schema, schema) || !same(t.Name, table) {
				continue
			}
			if t.DatabaseID != database {
				if d := x.Database(t.DatabaseID); d == nil || !same(d.Name, database) {
					continue
				}
			}
			found = appendTable(found, t, column, same)
		}
		if len(found) > 0 {
			break
		}
	}
	return pick(x, text, found)
}

func appendTable(found []catalog.Ref, t *catalog.Table, column string, same func(a, b string) bool) []catalog.Ref {
	if column == "" {
		return append(found, t.Ref())
	}
	for _, c := range t.Columns {
		if same(c.Name, column) {
			found = append(found, c.Ref())
		}
	}
	return found
}

// nameParts splits at dots outside double quotes.
func nameParts(text string) []string {
	var parts []string
	var b strings.Builder
	quoted := false
	for _, r := range text {
		switch {
		case r == '"':
			quoted = !quoted
		case r == '.' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return append(parts, b.String())
}

// byName finds every reading of a dotted name.
func byName(x *catalog.Index, parts []string) []catalog.Ref {
	for _, fold := range []bool{false, true} {
		same := func(a, b string) bool { return a == b || fold && strings.EqualFold(a, b) }
		if found := readings(x, parts, same); len(found) > 0 {
			return found
		}
	}
	return nil
}

func readings(x *catalog.Index, parts []string, same func(a, b string) bool) []catalog.Ref {
	var found []catalog.Ref
	n := len(parts)
	for _, t := range x.Snapshot().Tables {
		var path []string // database, schema, table
		if d := x.Database(t.DatabaseID); d != nil {
			path = append(path, d.Name)
		} else {
			path = append(path, t.DatabaseID)
		}
		if t.Schema != "" {
			path = append(path, t.Schema)
		}
		path = append(path, t.Name)
		if n <= len(path) && slices.EqualFunc(path[len(path)-n:], parts, same) {
			found = append(found, t.Ref())
		}
		if n >= 2 && n-1 <= len(path) && slices.EqualFunc(path[len(path)-n+1:], parts[:n-1], same) {
			found = appendTable(found, t, parts[n-1], same)
		}
	}
	return found
}

// pick takes the only candidate. Tables that were dropped from the database
// count only where nothing else does.
func pick(x *catalog.Index, text string, found []catalog.Ref) (catalog.Ref, error) {
	live := slices.DeleteFunc(slices.Clone(found), func(r catalog.Ref) bool { return gone(x, r) })
	if len(live) > 0 {
		found = live
	}
	switch len(found) {
	case 0:
		hint := referenceHint
		if near := similar(x, text); len(near) > 0 {
			hint = "Near it: " + strings.Join(near, ", ") + "."
		} else if columns := columnsOf(x, text); columns != "" {
			hint = columns
		}
		return catalog.Ref{}, errs.New(errs.NotFound, "unknown_reference", fmt.Sprintf("This scan knows no table or column %s.", text), hint)
	case 1:
		return found[0], nil
	}
	slices.SortFunc(found, catalog.Ref.Compare)
	return catalog.Ref{}, &AmbiguousError{Text: text, Candidates: found}
}

// columnsOf lists the columns of a table that is known when its column is not.
func columnsOf(x *catalog.Index, text string) string {
	parts := nameParts(strings.ReplaceAll(text, "/", "."))
	if len(parts) < 2 {
		return ""
	}
	for _, r := range byName(x, parts[:len(parts)-1]) {
		t := x.Table(r.ID)
		if t == nil || len(t.Columns) == 0 {
			continue
		}
		names := make([]string, 0, shownColumns)
		for i, c := range t.Columns {
			if i == shownColumns {
				names = append(names, fmt.Sprintf("and %d more", len(t.Columns)-i))
				break
			}
			names = append(names, c.Name)
		}
		return "Columns of " + title(x, t.Ref()) + ": " + strings.Join(names, ", ") + "."
	}
	return ""
}

const shownColumns = 20

func gone(x *catalog.Index, r catalog.Ref) bool {
	if r.Kind == catalog.KindColumn {
		if c := x.Column(r.ID); c != nil && c.Inactive {
			return true
		}
		r = catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(r.ID)}
	}
	t := x.Table(r.ID)
	return t != nil && t.Inactive
}

// AmbiguousError says that a name means several things. [errs.KindOf] sees a
// conflict.
type AmbiguousError struct {
	Text       string
	Candidates []catalog.Ref // sorted
}

// Error implements error.
func (e *AmbiguousError) Error() string { return e.public().Public }

// Unwrap gives the error its public face.
func (e *AmbiguousError) Unwrap() error { return e.public() }

const shownCandidates = 12

func (e *AmbiguousError) public() *errs.Error {
	names := make([]string, 0, shownCandidates)
	for i, c := range e.Candidates {
		if i == shownCandidates {
			names = append(names, fmt.Sprintf("and %d more", len(e.Candidates)-i))
			break
		}
		names = append(names, c.ID)
	}
	return errs.New(errs.Conflict, "ambiguous", fmt.Sprintf("%s means %d things.", e.Text, len(e.Candidates)), "Name one of: "+strings.Join(names, ", ")+".")
}

// similar finds names near to one that is not known.
func similar(x *catalog.Index, text string) []string {
	parts := nameParts(strings.ReplaceAll(text, "/", "."))
	last := strings.ToLower(parts[len(parts)-1])
	type near struct {
		name string
		far  int
	}
	var list []near
	consider := func(name, full string) {
		limit := max(min(2, len(last)/3), len(last)/4)
		d := distance(strings.ToLower(name), last, limit)
		if d > limit && len(last) > 2 && strings.Contains(strings.ToLower(name), last) {
			d = limit
		}
		if d <= limit {
			list = append(list, near{full, d})
		}
	}
	within := ""
	if len(parts) > 1 {
		within = strings.ToLower(parts[len(parts)-2])
	}
	for _, t := range x.Snapshot().Tables {
		full := t.FullName()
		consider(t.Name, full)
		for _, c := range t.Columns {
			if within == "" || distance(strings.ToLower(t.Name), within, 2) <= 2 {
				consider(c.Name, full+"."+c.Name)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Or(a.far-b.far, strings.Compare(a.name, b.name)) })
	var out []string
	for _, n := range list {
		if len(out) < 5 && !slices.Contains(out, n.name) {
			out = append(out, n.name)
		}
	}
	return out
}

// distance is the number of edits between two texts, or limit+1 when there are
// more.
func distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) > limit || len(y)-len(x) > limit || len(x) > 200 {
		return limit + 1
	}
	row := make([]int, len(y)+1)
	for i := range row {
		row[i] = i
	}
	for i := range x {
		diagonal := row[0]
		row[0] = i + 1
		least := row[0]
		for k := range y {
			cost := diagonal
			if x[i] != y[k] {
				cost = 1 + min(diagonal, row[k], row[k+1])
			}
			diagonal, row[k+1] = row[k+1], cost
			least = min(least, cost)
		}
		if least > limit {
			return limit + 1
		}
	}
	return row[len(y)]
}
