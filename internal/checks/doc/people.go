package doc

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
)

// minders are the people who may look after content: its author and its last
// editor, as ids; empty where the server does not say.
func minders(a catalog.Asset) (creator, editor string) {
	switch a := a.(type) {
	case *catalog.Question:
		return a.CreatorID, a.LastEditorID
	case *catalog.Dashboard:
		return a.CreatorID, a.LastEditorID
	}
	return "", ""
}

// account says whether a person can log in.
type account int

const (
	unknown account = iota
	active
	gone
)

func accountOf(p *check.Pass, id string) account {
	person := p.Index.Person(id)
	switch {
	case person == nil || person.Active == nil:
		return unknown
	case *person.Active:
		return active
	default:
		return gone
	}
}
