package mask

import (
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// sqlNames is what is known of the names of a text. A name is masked at every
// place it is spelled or at none: renaming it everywhere keeps the meaning of
// the text, and a reader of the masked text cannot guess it from another place.
type sqlNames struct {
	in        SQLInput
	usable    bool
	problems  []sqllens.Problem
	sensitive map[string]Class  // lower-case name → class of its placeholder
	masked    map[string]string // "table.column" of sensitive columns by its lower case
	words     map[string]bool   // lower-case "table.column" that a bare word alone stands for, which may be syntax

	idents    map[int]nameRole // where a name begins → what it is
	inside    []sqllens.Span   // names that are more than one lexeme, in order
	sensAt    map[int]bool     // where a reference to a sensitive value begins
	clean     map[int]bool     // … and to one that is known not to be
	resolved  map[int]string   // the column that such a reference leads to
	tables    map[string]bool  // full names of the text's tables
	names     map[string]bool  // every name that the text spells, in lower case
	changed   bool
	questions map[string]bool // memo of verdicts by table and name
}

// nameRole is what a name stands for in the syntax.
type nameRole uint8

const (
	roleNone nameRole = iota
	roleColumn
	roleTable
	roleSchema
	roleGiven // an alias, a CTE, a window, a parameter
	roleFunction
)

func (r nameRole) class() Class {
	switch r {
	case roleColumn:
		return ClassColumn
	case roleTable:
		return ClassTable
	case roleSchema:
		return ClassSchema
	default:
		return ClassName
	}
}

// maxRounds bounds how often definitions are gone through. The resolver follows
// names through CTEs and subqueries itself; further rounds are for what it could
// not tell.
const maxRounds = 4

func readNames(in SQLInput) *sqlNames {
	n := &sqlNames{
		in: in, sensitive: map[string]Class{}, masked: map[string]string{}, words: map[string]bool{}, idents: map[int]nameRole{},
		sensAt: map[int]bool{}, clean: map[int]bool{}, resolved: map[int]string{}, tables: map[string]bool{}, names: map[string]bool{}, questions: map[string]bool{},
	}
	tree := sqllens.Parse(in.SQL, in.Dialect, true)
	trees := []*sqllens.Tree{tree}
	n.usable, n.problems = !tree.Recovered, wordless(tree.Problems)
	if len(tree.Blocks) > 0 {
		bare := sqllens.Parse(in.SQL, in.Dialect, false)
		trees = append(trees, bare)
		n.usable = n.usable && !bare.Recovered
	}
	for _, w := range sqllens.Words(in.SQL, in.Dialect) {
		if w.Kind == sqllens.WordName || w.Kind == sqllens.WordQuoted {
			n.names[strings.ToLower(w.Name)] = true
		}
	}
	for _, t := range trees {
		for _, l := range sqllens.Resolve(t, in.Schema, in.Tags) {
			n.lineage(l)
		}
	}
	for _, t := range trees {
		n.roles(t)
	}
	if in.Sensitive == nil {
		return n
	}
	for range maxRounds {
		n.changed = false
		for _, t := range trees {
			n.definitions(t)
		}
		if !n.changed {
			break
		}
	}
	n.loose(tree)
	return n
}

// wordless are the problems of a text without what they quote of it.
func wordless(list []sqllens.Problem) []sqllens.Problem {
	out := make([]sqllens.Problem, len(list))
	for i, p := range list {
		if p.Code == "syntax" || strings.ContainsRune(p.Message, '«') {
			p.Message = "the text could not be read here"
		}
		out[i] = p
	}
	return out
}

// verdict asks about a column of a table, or of none.
func (n *sqlNames) verdict(table, name string) bool {
	name = core(name)
	if n.in.Sensitive == nil || name == "" || name == "*" {
		return false
	}
	key := table + "\x00" + name
	v, ok := n.questions[key]
	if !ok {
		v = n.in.Sensitive(Column{Table: table, Name: name}).Sensitive
		n.questions[key] = v
	}
	return v
}

// anywhere asks about a name whose table is not known: sensitive in any table
// of the text, or by itself.
func (n *sqlNames) anywhere(name string) bool {
	if n.verdict("", name) {
		return true
	}
	if len(n.tables) > maxTables {
		return false
	}
	for t := range n.tables {
		if n.verdict(t, name) {
			return true
		}
	}
	return false
}

// maxTables bounds the tables that a name without one is tried in.
const maxTables = 64

// given asks about a name that the text itself gives.
func (n *sqlNames) given(name string) bool {
	name = core(name)
	if n.in.Given != nil {
		return n.in.Given(name)
	}
	return n.verdict("", name)
}

// core is a name without the signs that mark parameters and temporary tables.
func core(name string) string { return strings.TrimLeft(name, "@#$:") }

func (n *sqlNames) mark(name string, c Class) {
	key := strings.ToLower(core(name))
	if key == "" || key == "*" {
		return
	}
	if old, ok := n.sensitive[key]; ok && (old == c || old == ClassColumn) {
		return
	}
	n.sensitive[key] = c
	n.changed = true
}

// report notes a sensitive column as it was spelled first.
func (n *sqlNames) report(column string) {
	if key := strings.ToLower(column); n.masked[key] == "" && !strings.ContainsAny(column, "@#$:") { // parameters are no columns
		n.masked[key] = column
	}
}

// reportLoose notes a sensitive column whose place says nothing of its table: of
// the text's tables that have one of that name, or of none.
func (n *sqlNames) reportLoose(name string) {
	found := false
	if len(n.tables) <= maxTables {
		for t := range n.tables {
			if n.verdict(t, name) {
				n.report(t[strings.LastIndexByte(t, '.')+1:] + "." + name)
				found = true
			}
		}
	}
	if !found {
		n.report(name)
	}
}

func fullName(t *sqllens.TableRef) string {
	if t == nil {
		return ""
	}
	if t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

// lineage takes over what the resolver found: for each place that refers to a
// value, the physical columns it comes from.
func (n *sqlNames) lineage(l *sqllens.Lineage) {
	for _, t := range l.Tables {
		n.tables[fullName(&t.Table)] = true
	}
	for _, u := range l.Columns {
		at := u.Span.Start
		hit := n.verdict(fullName(u.Table), u.Column)
		if !hit && u.Table == nil {
			hit = n.anywhere(u.Column)
		}
		if !hit {
			if _, seen := n.clean[at]; !seen && u.Table != nil {
				n.clean[at], n.resolved[at] = true, u.Column
			}
			continue
		}
		n.sensAt[at] = true
		n.mark(u.Column, ClassColumn)
		if u.Table != nil {
			n.report(u.Table.Name + "." + u.Column)
		} else {
			n.report(u.Column)
		}
	}
	for at := range n.sensAt {
		delete(n.clean, at)
	}
	for _, o := range l.Outputs { // columns of stars have no place of their own
		for _, src := range o.Sources {
			if o.Star || src.Column == "*" || !n.verdict(fullName(src.Table), src.Column) {
				continue
			}
			if n.names[strings.ToLower(o.Name)] {
				n.mark(o.Name, ClassName)
			}
			if o.Target != nil && n.names[strings.ToLower(o.Target.Column)] {
				n.mark(o.Target.Column, ClassColumn)
			}
			break
		}
	}
}

// roles notes where names stand and what they are.
func (n *sqlNames) roles(t *sqllens.Tree) {
	put := func(id *sqllens.Ident, role nameRole) {
		if id == nil || id.Span.End <= id.Span.Start || id.Span.End > len(n.in.SQL) {
			return
		}
		if old := n.idents[id.Span.Start]; old == roleNone || old == roleGiven && role != roleNone {
			n.idents[id.Span.Start] = role
		}
		n.inside = append(n.inside, id.Span)
	}
	path := func(list []sqllens.Ident, last nameRole) {
		for i := range list {
			role := last
			switch {
			case i == len(list)-1:
			case last == roleTable || last == roleFunction || i < len(list)-2:
				role = roleSchema
			default:
				role = roleTable
			}
			put(&list[i], role)
		}
	}
	walkTree(t.Statements, nil, func(node any) bool {
		switch x := node.(type) {
		case *sqllens.Expr:
			switch x.Kind {
			case sqllens.ExprFunc:
				path(x.Name, roleFunction)
			case sqllens.ExprColumn, sqllens.ExprField, sqllens.ExprStar:
				path(x.Name, roleColumn)
			default:
				path(x.Name, roleGiven)
			}
		case *sqllens.Table:
			if x.Kind == sqllens.TableName {
				path(x.Name, roleTable)
			}
		case *sqllens.DML:
			for i := range x.Columns {
				put(&x.Columns[i], roleColumn)
			}
		case *sqllens.Ident:
			put(x, roleGiven)
		}
		return true
	})
}

// definitions marks the names that the text gives to what derives from a
// sensitive column.
func (n *sqlNames) definitions(t *sqllens.Tree) {
	walkTree(t.Statements, nil, func(node any) bool {
		switch x := node.(type) {
		case *sqllens.Expr:
			n.expression(x)
		case *sqllens.SelectItem:
			n.item(x)
		case *sqllens.CTE:
			n.list(x.Query, x.Columns)
			if x.Expr != nil && n.carries(x.Expr) {
				n.mark(x.Name.Text, ClassName)
			}
			if n.given(x.Name.Text) {
				n.mark(x.Name.Text, ClassName)
			}
		case *sqllens.Table:
			n.table(x)
		case *sqllens.SetOp:
			n.setOp(x)
		case *sqllens.DML:
			n.dml(x)
		case *sqllens.Star:
			for i := range x.Except {
				n.unbound(&x.Except[i])
			}
			for i := range x.Rename {
				n.unbound(&x.Rename[i].From)
				if n.isMarked(x.Rename[i].From.Text) {
					n.mark(x.Rename[i].To.Text, ClassName)
				}
			}
		case *sqllens.Pivot:
			n.pivot(x)
		case *sqllens.Pipe:
			for i := range x.Names {
				n.unbound(&x.Names[i])
			}
		case *sqllens.MergeAction:
			for i := range x.Columns {
				n.unbound(&x.Columns[i])
			}
			for i := range x.Except {
				n.unbound(&x.Except[i])
			}
		}
		return true
	})
}

func (n *sqlNames) isMarked(name string) bool {
	_, ok := n.sensitive[strings.ToLower(core(name))]
	return ok
}

// unbound decides about a column's name that no lineage speaks of.
func (n *sqlNames) unbound(id *sqllens.Ident) {
	if !n.isMarked(id.Text) && n.anywhere(id.Text) {
		n.mark(id.Text, ClassColumn)
		n.reportLoose(id.Text)
	}
}

func (n *sqlNames) expression(x *sqllens.Expr) {
	switch x.Kind {
	case sqllens.ExprColumn:
		n.reference(x.Name)
	case sqllens.ExprField:
		if len(x.Name) > 0 && len(x.Args) > 0 && (n.carries(x.Args[0]) || n.anywhere(x.Name[0].Text)) {
			n.mark(x.Name[0].Text, ClassColumn)
		}
	case sqllens.ExprFunc:
		n.lambdas(x)
	default:
	}
	if x.Alias != nil && x.Kind != sqllens.ExprNamed && n.carries(x) {
		n.mark(x.Alias.Text, ClassName)
	}
}

// reference marks what a path spells of a sensitive value.
func (n *sqlNames) reference(path []sqllens.Ident) {
	if len(path) == 0 {
		return
	}
	at := path[0].Span.Start
	last := path[len(path)-1]
	switch {
	case n.sensAt[at]:
		found := -1
		for i, id := range path {
			if n.isMarked(id.Text) {
				found = i
			}
		}
		if found < 0 {
			n.mark(last.Text, ClassName)
			return
		}
		for _, id := range path[found+1:] { // fields of a sensitive struct
			n.mark(id.Text, ClassColumn)
		}
	case n.clean[at]:
		field := false // behind the column itself
		for i, id := range path {
			if field && n.anywhere(id.Text) || i > 0 && n.given(id.Text) {
				n.mark(id.Text, ClassColumn)
				n.reportLoose(id.Text)
			}
			field = field || strings.EqualFold(id.Text, n.resolved[at])
		}
	default:
		if n.anywhere(last.Text) {
			n.mark(last.Text, ClassColumn)
			n.reportLoose(last.Text)
		}
	}
}

// lambdas marks the parameters of a function that is applied to a sensitive
// list.
func (n *sqlNames) lambdas(x *sqllens.Expr) {
	for _, a := range x.Args {
		if a == nil || a.Kind != sqllens.ExprLambda {
			continue
		}
		for _, other := range x.Args {
			if other != a && n.carries(other) {
				for i := range a.Params {
					n.mark(a.Params[i].Text, ClassName)
				}
			}
		}
	}
}

func (n *sqlNames) item(x *sqllens.SelectItem) {
	if x.Alias == nil && len(x.More) == 0 {
		return
	}
	hit := n.carries(x.Expr)
	if x.Alias != nil && (hit || n.given(x.Alias.Text)) {
		n.mark(x.Alias.Text, ClassName)
	}
	for i := range x.More {
		if hit || n.given(x.More[i].Text) {
			n.mark(x.More[i].Text, ClassName)
		}
	}
}

// list marks the names that a column list gives to the outputs of a query.
func (n *sqlNames) list(q *sqllens.Query, names []sqllens.Ident) {
	for i := range names {
		if n.given(names[i].Text) || q != nil && n.output(q.Body, i) {
			n.mark(names[i].Text, ClassName)
		}
	}
}

// output says whether the i-th output of a query carries a sensitive value.
// Where a star makes the place unknown, every output may.
func (n *sqlNames) output(b sqllens.Body, i int) bool {
	for range maxNesting {
		switch x := b.(type) {
		case *sqllens.Query:
			if x == nil {
				return false
			}
			b = x.Body
			continue
		case *sqllens.SetOp:
			if n.output(x.Right, i) {
				return true
			}
			b = x.Left
			continue
		case *sqllens.Select:
			for k := range x.Items {
				if x.Items[k].Expr == nil || x.Items[k].Expr.Kind == sqllens.ExprStar {
					return n.anyItem(x)
				}
				if k == i {
					return n.carries(x.Items[k].Expr)
				}
			}
		case *sqllens.Values:
			for _, row := range x.Rows {
				if i < len(row) && n.carries(row[i]) {
					return true
				}
			}
		}
		return false
	}
	return true
}

// maxNesting bounds how deep set operations are followed for one output.
const maxNesting = 10_000

func (n *sqlNames) anyItem(s *sqllens.Select) bool {
	for k := range s.Items {
		if n.carries(s.Items[k].Expr) {
			return true
		}
	}
	return false
}

// setOp marks the outputs of the first operand that take a sensitive value from
// the second.
func (n *sqlNames) setOp(x *sqllens.SetOp) {
	left := firstSelect(x.Left)
	if left == nil {
		return
	}
	for i := range left.Items {
		item := &left.Items[i]
		if item.Expr == nil || item.Expr.Kind == sqllens.ExprStar {
			return
		}
		if !n.output(x.Right, i) {
			continue
		}
		switch {
		case item.Alias != nil:
			n.mark(item.Alias.Text, ClassName)
		case item.Expr.Kind == sqllens.ExprColumn && len(item.Expr.Name) > 0:
			n.mark(item.Expr.Name[len(item.Expr.Name)-1].Text, ClassColumn)
		}
	}
}

func firstSelect(b sqllens.Body) *sqllens.Select {
	for range maxNesting {
		switch x := b.(type) {
		case *sqllens.Query:
			if x == nil {
				return nil
			}
			b = x.Body
		case *sqllens.SetOp:
			b = x.Left
		case *sqllens.Select:
			return x
		default:
			return nil
		}
	}
	return nil
}

func (n *sqlNames) table(x *sqllens.Table) {
	if x.Alias != nil && n.given(x.Alias.Text) {
		n.mark(x.Alias.Text, ClassName)
	}
	n.list(x.Query, x.AliasCols)
	for i := range x.Using {
		n.unbound(&x.Using[i])
	}
	if x.Func != nil && n.carries(x.Func) {
		if x.Alias != nil {
			n.mark(x.Alias.Text, ClassName)
		}
		for _, list := range [][]sqllens.Ident{x.AliasCols, x.Columns} {
			for i := range list {
				n.mark(list[i].Text, ClassName)
			}
		}
		return
	}
	for i := range x.Columns {
		n.unbound(&x.Columns[i])
	}
	if x.Kind == sqllens.TableName { // t (a, b) renames a table's columns
		for i := range x.AliasCols {
			n.unbound(&x.AliasCols[i])
		}
	}
}

func (n *sqlNames) dml(x *sqllens.DML) {
	target := ""
	if x.Target != nil && len(x.Target.Name) > 0 {
		target = x.Target.Name[len(x.Target.Name)-1].Text
		if k := len(x.Target.Name); k > 1 {
			target = x.Target.Name[k-2].Text + "." + target
		}
	}
	column := func(id *sqllens.Ident, hit bool) {
		if n.verdict(target, id.Text) || target == "" && n.anywhere(id.Text) {
			n.report(strings.TrimPrefix(target[strings.LastIndexByte(target, '.')+1:]+"."+id.Text, "."))
			n.mark(id.Text, ClassColumn)
		} else if hit || n.given(id.Text) {
			n.mark(id.Text, ClassColumn)
		}
	}
	for i := range x.Columns {
		column(&x.Columns[i], x.Query != nil && n.output(x.Query.Body, i))
	}
	for i := range x.Set {
		hit := n.carries(x.Set[i].Value)
		for k := range x.Set[i].Columns {
			column(&x.Set[i].Columns[k], hit)
		}
	}
	for a := range x.Actions {
		for i := range x.Actions[a].Set {
			hit := n.carries(x.Actions[a].Set[i].Value)
			for k := range x.Actions[a].Set[i].Columns {
				column(&x.Actions[a].Set[i].Columns[k], hit)
			}
		}
		for i := range x.Actions[a].Columns {
			column(&x.Actions[a].Columns[i], i < len(x.Actions[a].Values) && n.carries(x.Actions[a].Values[i]))
		}
	}
}

func (n *sqlNames) pivot(x *sqllens.Pivot) {
	for i := range x.For {
		n.unbound(&x.For[i])
	}
	hit := false
	for _, group := range x.Sources {
		for i := range group {
			n.unbound(&group[i])
			hit = hit || n.isMarked(group[i].Text)
		}
	}
	for i := range x.Aggregates {
		hit = hit || n.carries(x.Aggregates[i].Expr)
	}
	if !hit {
		return
	}
	for i := range x.Values {
		n.mark(x.Values[i].Text, ClassName)
	}
	for i := range x.In {
		if x.In[i].Alias != nil {
			n.mark(x.In[i].Alias.Text, ClassName)
		}
	}
}

// carries says whether the value of an expression comes from a sensitive
// column.
func (n *sqlNames) carries(e *sqllens.Expr) bool {
	if e == nil || len(n.sensitive) == 0 {
		return false
	}
	hit := false
	walkTree(e, valueFields, func(node any) bool {
		if hit {
			return false
		}
		x, ok := node.(*sqllens.Expr)
		if !ok {
			return true
		}
		switch x.Kind {
		case sqllens.ExprExists:
			return false
		case sqllens.ExprColumn:
			hit = n.refers(x.Name)
		case sqllens.ExprField:
			hit = len(x.Name) > 0 && n.isMarked(x.Name[0].Text)
		default:
		}
		return !hit
	})
	return hit
}

func (n *sqlNames) refers(path []sqllens.Ident) bool {
	if len(path) == 0 {
		return false
	}
	at := path[0].Span.Start
	if n.sensAt[at] {
		return true
	}
	if n.clean[at] && len(path) < 3 {
		return false
	}
	for _, id := range path {
		if n.isMarked(id.Text) {
			return true
		}
	}
	return false
}

// loose decides about words that are names for all that is known and that the
// syntax tree does not hold: of statements that are read in part only. In a text
// that could not be parsed these are all words.
func (n *sqlNames) loose(t *sqllens.Tree) {
	seen := map[string]bool{}
	for _, w := range sqllens.Words(n.in.SQL, n.in.Dialect) {
		if w.Kind != sqllens.WordName && w.Kind != sqllens.WordQuoted {
			continue
		}
		if n.usable && n.idents[w.Span.Start] != roleNone || seen[w.Name] {
			continue
		}
		seen[w.Name] = true
		for _, name := range append(strings.Split(w.Name, "."), w.Name) {
			if n.isMarked(name) || !n.anywhere(name) {
				continue
			}
			n.mark(name, ClassColumn)
			before := len(n.masked)
			n.reportLoose(name)
			if len(n.masked) == before {
				continue
			}
			for key := range n.masked {
				if key == strings.ToLower(name) || strings.HasSuffix(key, "."+strings.ToLower(name)) {
					n.words[key] = true
				}
			}
		}
	}
	for _, tag := range t.Tags {
		if tag.Kind == sqllens.TagVariable && n.given(tag.Name) {
			n.mark(tag.Name, ClassName)
		}
	}
}
