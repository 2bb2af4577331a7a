package sqllens

import (
	"strconv"
	"strings"
)

// names is what table aliases and common table expressions are called in the
// normal form, from the inside out. Names depend on places alone, so that the
// order of predicates does not change them.
type names struct {
	parent    *names
	depth     int
	relations []relationName
	ctes      []cteName
	single    bool // one relation and nothing outside: its columns need no qualifier
	outputs   []Ident
}

type relationName struct {
	alias Ident
	path  []Ident // the table's name when it has no alias
	name  string
}

type cteName struct {
	id   Ident
	name string
}

func (n *names) child() *names {
	depth := 0
	if n != nil {
		depth = n.depth + 1
	}
	return &names{parent: n, depth: depth}
}

// place is t1, t2 of the outermost query, t1_1 of one inside.
func (n *names) place(prefix string, i int) string {
	s := prefix + strconv.Itoa(i+1)
	if n.depth > 0 {
		s += "_" + strconv.Itoa(n.depth)
	}
	return s
}

// add names the relations of a FROM item.
func (n *names) add(t *Table) {
	for t != nil {
		switch t.Kind {
		case TableJoin:
			n.add(t.Left)
			t = t.Right
			continue
		case TablePivot:
			if t.Alias == nil && t.Left != nil && t.Left.Kind == TableName {
				n.take(t.Left)
				return
			}
		}
		n.take(t)
		return
	}
}

func (n *names) take(t *Table) {
	r := relationName{name: n.place("t", len(n.relations))}
	switch {
	case t.Alias != nil:
		r.alias = *t.Alias
	case t.Kind == TableName && len(t.Name) > 0:
		r.alias, r.path = t.Name[len(t.Name)-1], t.Name
	case t.Kind == TableFunc && t.Func != nil && len(t.Func.Name) > 0:
		r.alias = t.Func.Name[len(t.Func.Name)-1]
	}
	n.relations = append(n.relations, r)
}

// of is the name of the relation that a FROM item makes.
func (n *names) of(t *Table) string {
	for i := range n.relations {
		r := &n.relations[i]
		if t.Alias != nil && r.alias.Span == t.Alias.Span && t.Alias.Span != (Span{}) {
			return r.name
		}
		if t.Alias == nil && len(t.Name) > 0 && r.path != nil && r.path[0].Span == t.Name[0].Span {
			return r.name
		}
	}
	return ""
}

// alias finds the relation that a qualifier names. ok is false for a name that
// is no alias here.
func (n *names) alias(id Ident) (string, bool) {
	for ; n != nil; n = n.parent {
		for i := len(n.relations) - 1; i >= 0; i-- {
			r := &n.relations[i]
			if r.alias.Text != "" && strings.EqualFold(r.alias.Text, id.Text) {
				if n.single {
					return "", true
				}
				return r.name, true
			}
		}
	}
	return "", false
}

// qualified finds the relation that schema.table in front of a column names.
func (n *names) qualified(path []Ident) (string, bool) {
	for ; n != nil; n = n.parent {
		for i := range n.relations {
			r := &n.relations[i]
			if len(r.path) == len(path) && suffixMatches(insensitive, path, r.path) {
				if n.single {
					return "", true
				}
				return r.name, true
			}
		}
	}
	return "", false
}

// cte is what a common table expression is called.
func (n *names) cte(id Ident) (string, bool) {
	for ; n != nil; n = n.parent {
		for i := len(n.ctes) - 1; i >= 0; i-- {
			if strings.EqualFold(n.ctes[i].id.Text, id.Text) {
				return n.ctes[i].name, true
			}
		}
	}
	return "", false
}

// outside says whether columns of an enclosing query may be meant here.
func (n *names) outside() bool {
	for ; n != nil; n = n.parent {
		if len(n.relations) > 0 {
			return true
		}
	}
	return false
}

// detached drops the relations of the innermost level: what a derived table
// sees. Those of enclosing queries stay.
func (n *names) detached() *names {
	if n == nil {
		return &names{}
	}
	return &names{parent: n.parent, depth: n.depth, ctes: n.ctes}
}
