// Package grants decides what of a connection a member sees. Owners, admins and
// the program itself see everything; other members see what an admin granted
// them, everything until one says otherwise.
//
// A grant names collections of Metabase. [Filter] cuts the part out of a scan that
// it opens, for every page and export alike.
package grants

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// maxCollections bounds the collections of one grant.
const maxCollections = 5000

// Of returns what the context's actor sees of a connection, in a transaction. A
// context that names nobody is refused.
func Of(ctx context.Context, tx *store.Tx, conn store.ConnectionID) (store.Grant, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return store.Grant{}, err
	}
	a := access.From(ctx)
	// A token's scopes narrow what it may do; what it sees is its member's.
	if a.Kind == access.System || a.Role.Rank() >= access.Admin.Rank() {
		return store.Grant{Mode: store.GrantAll}, nil
	}
	g, ok, err := tx.Grant(ctx, conn, store.UserID(a.User))
	if err != nil || ok {
		return g, err
	}
	mode, err := tx.GrantDefault(ctx, conn)
	return store.Grant{Mode: mode}, err
}

// countsSetting is an organization's choice whether members who see a part are
// told how many items beside it are hidden; anything but countsOff means yes.
const (
	countsSetting = "hidden_counts"
	countsOff     = "off"
)

// CountsOf reports whether members of the transaction's organization who see a
// part are told how many items beside it are hidden. They are until an admin says
// otherwise.
func CountsOf(ctx context.Context, tx *store.Tx) (bool, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return false, err
	}
	value, _, err := tx.Setting(ctx, countsSetting)
	return value != countsOff, err
}

// Key names what a grant lets see: equal grants have equal keys.
func Key(g store.Grant) string {
	if g.Mode != store.GrantCollections {
		return string(g.Mode)
	}
	h := sha256.New()
	for _, id := range g.Collections {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(id), id) // never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Everything reports whether a grant opens the whole connection.
func Everything(g store.Grant) bool { return g.Mode == store.GrantAll }

// Config are a service's dependencies; all are required.
type Config struct {
	Store *store.Store
}

// Service is what admins do with grants. Every method asks for the role admin.
type Service struct{ store *store.Store }

// New returns a service.
func New(c Config) *Service { return &Service{store: c.Store} }

// Member is a member with what he sees of a connection.
type Member struct {
	User  store.UserID
	Name  string
	Email string
	Role  store.Role
	// All is set for owners and admins, who see everything.
	All bool
	store.Grant
	// Own says that an admin set the grant; else it is the connection's default.
	Own bool
}

// Sheet is who sees what of a connection.
type Sheet struct {
	Default store.GrantMode
	Members []Member // by name
}

// Sheet lists the members with what they see of a connection.
func (s *Service) Sheet(ctx context.Context, org store.OrgID, conn store.ConnectionID) (Sheet, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return Sheet{}, err
	}
	var sheet Sheet
	own := map[store.UserID]store.Grant{}
	err := s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		if sheet.Default, err = tx.GrantDefault(ctx, conn); err != nil {
			return err
		}
		list, err := tx.Grants(ctx, conn)
		for _, g := range list {
			own[g.User] = g.Grant
		}
		return err
	})
	if err != nil {
		return Sheet{}, fmt.Errorf("grants of connection %s: %w", conn, err)
	}
	if sheet.Members, err = s.members(ctx, org); err != nil {
		return Sheet{}, err
	}
	for i := range sheet.Members {
		m := &sheet.Members[i]
		g, set := own[m.User]
		switch {
		case m.All:
			m.Grant = store.Grant{Mode: store.GrantAll}
		case set:
			m.Grant, m.Own = g, true
		default:
			m.Grant = store.Grant{Mode: sheet.Default}
		}
	}
	return sheet, nil
}

func (s *Service) members(ctx context.Context, org store.OrgID) ([]Member, error) {
	if err := access.Enter(ctx, string(org)); err != nil {
		return nil, err
	}
	var list []Member
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		memberships, err := tx.Members(ctx, org)
		if err != nil {
			return err
		}
		for _, m := range memberships {
			u, err := tx.User(ctx, m.UserID)
			if err != nil {
				return err
			}
			list = append(list, Member{User: u.ID, Name: u.Name, Email: u.Email, Role: m.Role, All: m.Role.Rank() >= access.Admin.Rank()})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list members: %w", err)
	}
	slices.SortFunc(list, func(a, b Member) int {
		return strings.Compare(strings.ToLower(a.Name)+"\x00"+a.Email, strings.ToLower(b.Name)+"\x00"+b.Email)
	})
	return list, nil
}

// Set says what a member sees of a connection. Owners and admins see everything
// (errs.Invalid, code sees_everything); somebody who is no member, and a
// connection of nobody's, are errs.NotFound.
func (s *Service) Set(ctx context.Context, org store.OrgID, conn store.ConnectionID, user store.UserID, g store.Grant) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	if err := check(&g); err != nil {
		return err
	}
	member, err := s.member(ctx, org, user)
	if err != nil {
		return err
	}
	if member.All {
		return errs.New(errs.Invalid, "sees_everything", "Owners and admins see everything.", "Give the member another role first.")
	}
	err = s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		before, _, err := tx.Grant(ctx, conn, user)
		if err != nil {
			return err
		}
		if err := tx.SetGrant(ctx, conn, user, g); err != nil {
			return err
		}
		return audit(ctx, tx, org, "grant_changed", "connection:"+string(conn), detail{
			Member: string(user), Before: string(before.Mode), After: string(g.Mode), Collections: len(g.Collections),
		})
	})
	if err != nil {
		return fmt.Errorf("grant connection %s: %w", conn, err)
	}
	return nil
}

// SetDefault says what members see of a connection who join later. Those who are
// members now keep what they see.
func (s *Service) SetDefault(ctx context.Context, org store.OrgID, conn store.ConnectionID, mode store.GrantMode) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	members, err := s.members(ctx, org)
	if err != nil {
		return err
	}
	err = s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		before, err := tx.GrantDefault(ctx, conn)
		if err != nil || before == mode {
			return err
		}
		for _, m := range members {
			if m.All {
				continue
			}
			_, set, err := tx.Grant(ctx, conn, m.User)
			if err != nil {
				return err
			}
			if set {
				continue
			}
			if err := tx.SetGrant(ctx, conn, m.User, store.Grant{Mode: before}); err != nil {
				return err
			}
		}
		if err := tx.SetGrantDefault(ctx, conn, mode); err != nil {
			return err
		}
		return audit(ctx, tx, org, "grant_default_changed", "connection:"+string(conn), detail{Before: string(before), After: string(mode)})
	})
	if err != nil {
		return fmt.Errorf("default grant of connection %s: %w", conn, err)
	}
	return nil
}

// Counts reports whether members who see a part are told how many items beside it
// are hidden.
func (s *Service) Counts(ctx context.Context, org store.OrgID) (shown bool, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return false, err
	}
	err = s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		shown, err = CountsOf(ctx, tx)
		return err
	})
	return shown, err
}

// SetCounts says whether members who see a part are told how many items beside it
// are hidden; else they are told only that there is something.
func (s *Service) SetCounts(ctx context.Context, org store.OrgID, shown bool) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		before, err := CountsOf(ctx, tx)
		if err != nil || before == shown {
			return err
		}
		if shown {
			err = tx.DeleteSetting(ctx, countsSetting)
		} else {
			err = tx.SetSetting(ctx, countsSetting, countsOff)
		}
		if err != nil {
			return err
		}
		return audit(ctx, tx, org, "grant_counts_changed", "", detail{Before: countsWord(before), After: countsWord(shown)})
	})
	if err != nil {
		return fmt.Errorf("set whether hidden items are counted: %w", err)
	}
	return nil
}

func countsWord(shown bool) string {
	if shown {
		return "shown"
	}
	return "not shown"
}

func (s *Service) member(ctx context.Context, org store.OrgID, user store.UserID) (Member, error) {
	list, err := s.members(ctx, org)
	if err != nil {
		return Member{}, err
	}
	for _, m := range list {
		if m.User == user {
			return m, nil
		}
	}
	return Member{}, errs.New(errs.NotFound, "no_member", "There is no such member.", "")
}

func check(g *store.Grant) error {
	switch g.Mode {
	case store.GrantAll, store.GrantNone:
		g.Collections = nil
	case store.GrantCollections:
		g.Collections = slices.Compact(slices.Sorted(slices.Values(g.Collections)))
		if len(g.Collections) == 0 {
			return errs.New(errs.Invalid, "no_collections", "No collection is chosen.", "Choose at least one, or nothing at all.")
		}
		if len(g.Collections) > maxCollections || slices.ContainsFunc(g.Collections, func(id string) bool { return id == "" || len(id) > 100 }) {
			return errs.New(errs.Invalid, "bad_collections", "The choice of collections cannot be kept.", "Choose collections higher up; what is below them is included.")
		}
	default:
		return errs.New(errs.Invalid, "unknown_grant", "A member sees everything, nothing, or chosen collections.", "")
	}
	return nil
}

// detail is what an audit row says of a grant: how much, never what.
type detail struct {
	Member      string `json:"member,omitempty"`
	Before      string `json:"before,omitempty"`
	After       string `json:"after,omitempty"`
	Collections int    `json:"collections,omitempty"`
}

func audit(ctx context.Context, tx *store.Tx, org store.OrgID, action, target string, d detail) error {
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return tx.Audit(ctx, store.AuditRow{OrgID: org, Actor: store.UserID(access.From(ctx).User), Action: action, Target: target, Source: "web", Detail: string(text)})
}

// Node is a collection in the tree that an admin chooses from.
type Node struct {
	ID       string
	Name     string
	Depth    int
	Items    int // live questions and dashboards in it and below it
	Official bool
	Personal bool
	Archived bool
}

// Tree lists the collections of a scan, each below its parent, by name. The root
// comes first and stands for what lies directly in it.
func Tree(x *catalog.Index) []Node {
	s := x.Snapshot()
	direct := map[string]int{}
	count := func(a catalog.Asset) {
		if home, ok := Home(x, a); ok && !a.IsArchived() {
			direct[home]++
		}
	}
	for _, q := range s.Questions {
		count(q)
	}
	for _, d := range s.Dashboards {
		count(d)
	}
	children := map[string][]*catalog.Collection{}
	for _, c := range s.Collections {
		if c.ID == catalog.RootCollectionID || c.Namespace != "" {
			continue
		}
		parent := c.ParentID
		if parent == "" || x.Collection(parent) == nil {
			parent = catalog.RootCollectionID
		}
		children[parent] = append(children[parent], c)
	}
	list := []Node{{ID: catalog.RootCollectionID, Name: "Our analytics", Items: direct[catalog.RootCollectionID]}}
	done := map[string]bool{catalog.RootCollectionID: true}
	var below func(parent string, depth int) int
	below = func(parent string, depth int) int {
		kids := children[parent]
		slices.SortFunc(kids, func(a, b *catalog.Collection) int {
			return strings.Compare(strings.ToLower(a.Name)+"\x00"+a.ID, strings.ToLower(b.Name)+"\x00"+b.ID)
		})
		sum := 0
		for _, c := range kids {
			if done[c.ID] {
				continue
			}
			done[c.ID] = true
			at := len(list)
			list = append(list, Node{ID: c.ID, Name: c.Name, Depth: depth, Official: c.Official, Personal: c.PersonalOwnerID != "", Archived: c.Archived})
			list[at].Items = direct[c.ID] + below(c.ID, depth+1)
			sum += list[at].Items
		}
		return sum
	}
	below(catalog.RootCollectionID, 1)
	return list
}

// Preview counts what a grant would show.
type Preview struct {
	Questions, AllQuestions   int
	Dashboards, AllDashboards int
}

// PreviewOf counts the questions and dashboards that a grant opens.
func PreviewOf(x *catalog.Index, g store.Grant) Preview {
	open := Reach(x, g)
	var p Preview
	for _, q := range x.Snapshot().Questions {
		p.AllQuestions++
		if home, ok := Home(x, q); ok && open[home] || Everything(g) {
			p.Questions++
		}
	}
	for _, d := range x.Snapshot().Dashboards {
		p.AllDashboards++
		if home, ok := Home(x, d); ok && open[home] || Everything(g) {
			p.Dashboards++
		}
	}
	return p
}
