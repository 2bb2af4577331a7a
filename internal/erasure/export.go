package erasure

import (
	"archive/zip"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
)

// exportVersion is that of the files' form (docs/guide/export.md).
const exportVersion = 1

// File is one part of an export.
type File struct {
	Name    string
	Content []byte
}

// table is rows under named columns; JSON and CSV are made of it.
type table struct {
	name    string
	columns []string
	rows    [][]string
}

func (t *table) add(values ...string) { t.rows = append(t.rows, values) }

func (t *table) files() ([]File, error) {
	objects := make([]map[string]string, 0, len(t.rows))
	var text strings.Builder
	out := csv.NewWriter(&text)
	if err := out.Write(t.columns); err != nil {
		return nil, err
	}
	for _, row := range t.rows {
		object := map[string]string{}
		cells := make([]string, len(row))
		for i, v := range row {
			object[t.columns[i]], cells[i] = v, report.SpreadsheetCell(v)
		}
		objects = append(objects, object)
		if err := out.Write(cells); err != nil {
			return nil, err
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(objects, "", "  ")
	if err != nil {
		return nil, err
	}
	return []File{{t.name + ".json", append(b, '\n')}, {t.name + ".csv", []byte(text.String())}}, nil
}

// finish adds the list of files to them.
func (s *Service) finished(kind string, tables []*table) ([]File, error) {
	type entry struct {
		Name    string   `json:"name"`
		Columns []string `json:"columns"`
		Records int      `json:"records"`
	}
	manifest := struct {
		Version int       `json:"schema_version"`
		Kind    string    `json:"kind"`
		At      time.Time `json:"at"`
		Files   []entry   `json:"files"`
	}{exportVersion, kind, s.now().UTC(), nil}
	var files []File
	for _, t := range tables {
		pair, err := t.files()
		if err != nil {
			return nil, fmt.Errorf("export %s: %w", t.name, err)
		}
		files = append(files, pair...)
		manifest.Files = append(manifest.Files, entry{t.name, t.columns, len(t.rows)})
	}
	b, err := json.MarshalIndent(manifest, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return append([]File{{"manifest.json", append(b, '\n')}}, files...), nil
}

// Zip writes files as a zip.
func Zip(to io.Writer, files []File, at time.Time) error {
	z := zip.NewWriter(to)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.Name, Method: zip.Deflate, Modified: at.UTC()})
		if err != nil {
			return errors.Join(fmt.Errorf("write a zip: %w", err), z.Close())
		}
		if _, err := w.Write(f.Content); err != nil {
			return errors.Join(fmt.Errorf("write a zip: %w", err), z.Close())
		}
	}
	return z.Close()
}

func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// ExportOrganization writes everything that people of an organization wrote, as
// a zip. It asks for the role admin and goes on the audit log.
func (s *Service) ExportOrganization(ctx context.Context, org store.OrgID, to io.Writer) error {
	files, err := s.OrganizationFiles(ctx, org)
	if err != nil {
		return err
	}
	return Zip(to, files, s.now())
}

// OrganizationFiles is ExportOrganization as files.
func (s *Service) OrganizationFiles(ctx context.Context, org store.OrgID) ([]File, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return nil, err
	}
	if err := access.Enter(ctx, string(org)); err != nil {
		return nil, err
	}
	x := newExport()
	if err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error { return x.system(ctx, tx, org) }); err != nil {
		return nil, fmt.Errorf("export the organization: %w", err)
	}
	if err := s.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error { return x.content(ctx, tx, "", nil) }); err != nil {
		return nil, fmt.Errorf("export the organization: %w", err)
	}
	err := s.store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		return tx.Audit(ctx, store.AuditRow{Actor: store.UserID(access.From(ctx).User), Action: "organization_exported", Target: "organization:" + string(org)})
	})
	if errs.CodeOf(err) == "read_only" && access.From(ctx).Kind == access.System {
		err = nil // a command beside a server that writes
	}
	if err != nil {
		return nil, fmt.Errorf("export the organization: %w", err)
	}
	return s.finished("organization", []*table{x.organization, x.members, x.invitations, x.connections, x.decisions, x.history, x.grants, x.tokens, x.rules, x.ai, x.chats, x.settings, x.audit})
}

// export collects an export's tables.
type export struct {
	people map[store.UserID]string // id → address

	organization, members, invitations, connections, decisions, history, grants, tokens, rules, ai, chats, settings, audit *table
}

func newExport() *export {
	return &export{
		people:       map[store.UserID]string{},
		organization: &table{name: "organization", columns: []string{"id", "name", "created_at"}},
		members:      &table{name: "members", columns: []string{"id", "name", "email", "role", "last_login_at"}},
		invitations:  &table{name: "invitations", columns: []string{"email", "role", "invited_by", "created_at", "expires_at"}},
		connections:  &table{name: "connections", columns: []string{"id", "name", "url", "auth", "schedule", "options", "created_at", "updated_at"}},
		decisions:    &table{name: "decisions", columns: []string{"connection", "fingerprint", "check", "asset_kind", "asset_id", "asset", "state", "ignored_by", "ignored_why", "ignored_until", "assignee", "first_seen_at", "last_seen_at"}},
		history:      &table{name: "decision_history", columns: []string{"connection", "fingerprint", "at", "what", "by", "detail"}},
		grants:       &table{name: "grants", columns: []string{"connection", "member", "mode", "collections"}},
		tokens:       &table{name: "tokens", columns: []string{"id", "owner", "name", "scopes", "created_at", "expires_at", "last_used_at"}},
		rules:        &table{name: "sensitivity_rules", columns: []string{"connection", "kind", "pattern", "category", "note", "by", "at"}},
		ai:           &table{name: "ai_settings", columns: []string{"enabled", "provider", "base_url", "models", "budget_tokens", "budget_usd", "strict", "batch", "key", "updated_at"}},
		chats:        &table{name: "chats", columns: []string{"id", "connection", "owner", "title", "about", "shared", "created_at", "message", "at", "role", "content"}},
		settings:     &table{name: "settings", columns: []string{"name", "value"}},
		audit:        &table{name: "audit", columns: []string{"at", "actor", "action", "target", "source", "detail"}},
	}
}

// who gives an address for an id, and the id of somebody who left.
func (x *export) who(id store.UserID) string {
	if address, ok := x.people[id]; ok {
		return address
	}
	return string(id)
}

func (x *export) system(ctx context.Context, tx *store.SystemTx, org store.OrgID) error {
	o, err := tx.Organization(ctx, org)
	if err != nil {
		return err
	}
	x.organization.add(string(o.ID), o.Name, when(o.CreatedAt))
	members, err := tx.MemberList(ctx, org)
	if err != nil {
		return err
	}
	for _, m := range members {
		x.people[m.User] = m.Email
		x.members.add(string(m.User), m.Name, m.Email, string(m.Role), when(m.LastLoginAt))
	}
	invitations, err := tx.Invitations(ctx, org)
	if err != nil {
		return err
	}
	for _, i := range invitations {
		x.invitations.add(i.Email, string(i.Role), x.who(i.InvitedBy), when(i.CreatedAt), when(i.ExpiresAt))
	}
	for _, m := range members {
		if err := x.addTokens(ctx, tx, org, m.User); err != nil {
			return err
		}
	}
	return nil
}

func (x *export) addTokens(ctx context.Context, tx *store.SystemTx, org store.OrgID, user store.UserID) error {
	list, err := tx.AccessTokens(ctx, org, user)
	if err != nil {
		return err
	}
	for _, t := range list {
		x.tokens.add(t.ID, x.who(t.UserID), t.Name, strings.Join(t.Scopes, " "), when(t.CreatedAt), when(t.ExpiresAt), when(t.LastUsedAt))
	}
	return nil
}

// secretSettings are words in the names of settings whose values stay.
var secretSettings = []string{"password", "secret", "key", "token", "credential"}

// seen tells by connection which assets a person sees.
type seen map[store.ConnectionID]func(catalog.Ref) bool

// content adds what lies within an organization; by chooses one person's, who
// sees only some assets.
func (x *export) content(ctx context.Context, tx *store.Tx, by store.UserID, sees seen) error {
	conns, err := tx.Connections(ctx)
	if err != nil {
		return err
	}
	for _, c := range conns {
		if by == "" {
			if err := x.addConnection(ctx, tx, c); err != nil {
				return err
			}
		}
		if err := x.addDecisions(ctx, tx, c, by, sees[c.ID]); err != nil {
			return err
		}
	}
	if err := x.addChats(ctx, tx, conns, by); err != nil {
		return err
	}
	if by == "" {
		if err := x.addAI(ctx, tx); err != nil {
			return err
		}
		values, err := tx.Settings(ctx)
		if err != nil {
			return err
		}
		for name, value := range values {
			if slices.ContainsFunc(secretSettings, func(word string) bool { return strings.Contains(name, word) }) {
				value = "(not exported)"
			}
			x.settings.add(name, value)
		}
		slices.SortFunc(x.settings.rows, func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	}
	return x.addAudit(ctx, tx, by)
}

func (x *export) addConnection(ctx context.Context, tx *store.Tx, c store.Connection) error {
	options := c.Options
	if options.Headers != nil { // their values open doors
		options.Headers = map[string]string{}
		for name := range c.Options.Headers {
			options.Headers[name] = "(not exported)"
		}
	}
	b, err := json.Marshal(options)
	if err != nil {
		return err
	}
	x.connections.add(string(c.ID), c.Name, c.URL, string(c.Auth), c.Schedule, string(b), when(c.CreatedAt), when(c.UpdatedAt))
	grants, err := tx.Grants(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, g := range grants {
		x.grants.add(c.Name, x.who(g.User), string(g.Mode), strings.Join(g.Collections, " "))
	}
	return x.addRules(ctx, tx, c)
}

const exportPage = 200

// addDecisions adds what people decided about findings. Of one person's it leaves
// out what others said, and which assets those are that he does not see.
func (x *export) addDecisions(ctx context.Context, tx *store.Tx, c store.Connection, by store.UserID, sees func(catalog.Ref) bool) error {
	for offset := 0; ; offset += exportPage {
		list, total, err := tx.Findings(ctx, store.FindingQuery{
			Connection: c.ID, Limit: exportPage, Offset: offset,
			States: []store.FindingState{store.FindingOpen, store.FindingIgnored, store.FindingResolved},
		})
		if err != nil {
			return err
		}
		for _, f := range list {
			if f.IgnoredBy == "" && f.Assignee == "" && f.IgnoredReason == "" {
				continue
			}
			if by != "" {
				f.AssetName = "" // as the last scan had it, whoever sees that
				if sees == nil || !sees(f.Asset) {
					f.Asset = catalog.Ref{} // an id of a table or a column is its name
				}
				if f.IgnoredBy != by {
					f.IgnoredBy, f.IgnoredReason = "", ""
				}
			}
			if by == "" || f.IgnoredBy == by || f.Assignee == by {
				x.decisions.add(c.Name, f.Fingerprint, f.Check, string(f.Asset.Kind), f.Asset.ID, f.AssetName, string(f.State), x.who(f.IgnoredBy), f.IgnoredReason,
					when(f.IgnoredUntil), x.who(f.Assignee), when(f.FirstSeenAt), when(f.LastSeenAt))
			}
			events, err := tx.FindingEvents(ctx, c.ID, f.Fingerprint)
			if err != nil {
				return err
			}
			for _, e := range events {
				if e.By != "" && (by == "" || e.By == by) {
					x.history.add(c.Name, e.Fingerprint, when(e.At), e.What, x.who(e.By), e.Detail)
				}
			}
		}
		if offset+exportPage >= total {
			return nil
		}
	}
}

func (x *export) addAudit(ctx context.Context, tx *store.Tx, by store.UserID) error {
	for offset := 0; ; offset += exportPage {
		list, total, err := tx.AuditLog(ctx, store.AuditQuery{Actor: by, Limit: exportPage, Offset: offset})
		if err != nil {
			return err
		}
		for _, r := range list {
			x.audit.add(when(r.At), x.who(r.Actor), r.Action, r.Target, r.Source, r.Detail)
		}
		if offset+exportPage >= total {
			return nil
		}
	}
}

// ExportAccount writes everything that is the acting person's own, over all
// organizations, as a zip.
func (s *Service) ExportAccount(ctx context.Context, to io.Writer) error {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return err
	}
	files, err := s.AccountFiles(ctx, store.UserID(access.From(ctx).User))
	if err != nil {
		return err
	}
	return Zip(to, files, s.now())
}

// AccountFiles is the export of an account as files.
func (s *Service) AccountFiles(ctx context.Context, user store.UserID) ([]File, error) {
	if actor := access.From(ctx); actor.Kind != access.System && store.UserID(actor.User) != user {
		return nil, access.Require(ctx, "nobody else")
	}
	x := newExport()
	account := &table{name: "account", columns: []string{"id", "name", "email", "pending_email", "created_at", "last_login_at"}}
	memberships := &table{name: "memberships", columns: []string{"organization", "role"}}
	logins := &table{name: "logins", columns: []string{"agent", "address", "created_at", "expires_at"}}
	factors := &table{name: "factors", columns: []string{"kind", "name", "created_at", "used_at"}}
	signOn := &table{name: "sign_on", columns: []string{"issuer", "subject", "email", "linked_at"}}
	var orgs []store.Membership
	err := s.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		u, err := tx.User(ctx, user)
		if err != nil {
			return err
		}
		x.people[user] = u.Email
		pending, err := tx.PendingEmail(ctx, user, s.now())
		if err != nil {
			return err
		}
		account.add(string(u.ID), u.Name, u.Email, pending, when(u.CreatedAt), when(u.LastLoginAt))
		of, err := tx.MembershipsOf(ctx, user)
		if err != nil {
			return err
		}
		for _, m := range of {
			o, err := tx.Organization(ctx, m.OrgID)
			if err != nil {
				return err
			}
			orgs = append(orgs, m)
			memberships.add(o.Name, string(m.Role))
			if err := x.addTokens(ctx, tx, m.OrgID, user); err != nil {
				return err
			}
		}
		sessions, sessionErr := tx.UserSessions(ctx, user, "")
		for _, l := range sessions {
			logins.add(l.Agent, l.Address, when(l.CreatedAt), when(l.ExpiresAt))
		}
		own, factorErr := tx.Factors(ctx, user)
		for _, f := range own {
			factors.add(string(f.Kind), f.Name, when(f.CreatedAt), when(f.UsedAt))
		}
		identities, identityErr := tx.SSOIdentitiesOf(ctx, user)
		for _, i := range identities {
			signOn.add(i.Issuer, i.Subject, i.Email, when(i.LinkedAt))
		}
		return errors.Join(sessionErr, factorErr, identityErr)
	})
	if err != nil {
		return nil, fmt.Errorf("export the account: %w", err)
	}
	for _, m := range orgs {
		// The person's own rows in each of the person's organizations.
		sees, err := s.seenBy(access.AsSystem(ctx), m)
		if err != nil {
			return nil, fmt.Errorf("export the account: %w", err)
		}
		err = s.store.ViewOrg(access.AsSystem(ctx), m.OrgID, func(ctx context.Context, tx *store.Tx) error { return x.content(ctx, tx, user, sees) })
		if err != nil {
			return nil, fmt.Errorf("export the account: %w", err)
		}
	}
	return s.finished("account", []*table{account, memberships, logins, factors, signOn, x.tokens, x.decisions, x.history, x.chats, x.audit})
}

// seenBy asks what a member sees of every connection.
func (s *Service) seenBy(ctx context.Context, m store.Membership) (seen, error) {
	var conns []store.Connection
	err := s.store.ViewOrg(ctx, m.OrgID, func(ctx context.Context, tx *store.Tx) (err error) {
		conns, err = tx.Connections(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	sees := seen{}
	for _, c := range conns {
		if sees[c.ID], err = s.sees(ctx, m, c.ID); err != nil {
			return nil, err
		}
	}
	return sees, nil
}
