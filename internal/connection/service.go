package connection

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// List returns the connections of an organization by name.
func (s *Service) List(ctx context.Context, org store.OrgID) ([]store.Connection, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	var list []store.Connection
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		list, err = tx.Connections(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list connections: %w", err)
	}
	slices.SortStableFunc(list, func(a, b store.Connection) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(string(a.ID), string(b.ID)))
	})
	return list, nil
}

// Connection returns one connection; NotFound when the organization has none of
// that id.
func (s *Service) Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return store.Connection{}, err
	}
	var c store.Connection
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		c, err = tx.Connection(ctx, id)
		return err
	})
	if err != nil {
		return store.Connection{}, fmt.Errorf("connection %s: %w", id, err)
	}
	return c, nil
}

// Find returns the connection of that name (any case), id or address. An empty
// text finds the only connection there is. NotFound lists the names there are.
func (s *Service) Find(ctx context.Context, org store.OrgID, text string) (store.Connection, error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return store.Connection{}, err
	}
	list, err := s.List(ctx, org)
	if err != nil {
		return store.Connection{}, err
	}
	if text == "" && len(list) == 1 {
		return list[0], nil
	}
	address, _ := NormalizeURL(text)
	tests := []func(store.Connection) bool{
		func(c store.Connection) bool { return string(c.ID) == text },
		func(c store.Connection) bool { return c.Name == text },
		func(c store.Connection) bool { return strings.EqualFold(c.Name, text) },
		func(c store.Connection) bool { return address != "" && c.URL == address },
	}
	for _, test := range tests {
		var found []store.Connection
		for _, c := range list {
			if test(c) {
				found = append(found, c)
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
	}
	names := make([]string, 0, len(list))
	for _, c := range list {
		names = append(names, printable(c.Name))
	}
	hint := "There are no connections yet; give an address and a key to make one."
	if len(names) > 0 {
		hint = "Connections: " + strings.Join(names, ", ") + "."
	}
	if text == "" {
		return store.Connection{}, errs.New(errs.Invalid, "connection_needed", "Say which connection is meant.", hint)
	}
	return store.Connection{}, errs.New(errs.NotFound, "unknown_connection", fmt.Sprintf("There is no connection %q.", printable(text)), hint)
}

// Ensure returns the connection that reads a draft's address (and has its name,
// if the draft has one), and creates it when there is none. A credential that
// differs from the stored one replaces it; other options are left as they are.
func (s *Service) Ensure(ctx context.Context, org store.OrgID, by Actor, d Draft) (store.Connection, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return store.Connection{}, err
	}
	c, err := check(d)
	if err != nil {
		return store.Connection{}, err
	}
	list, err := s.List(ctx, org)
	if err != nil {
		return store.Connection{}, err
	}
	for _, old := range list {
		if old.URL != c.URL || (d.Name != "" && !strings.EqualFold(old.Name, c.Name)) {
			continue
		}
		if d.Credential.IsZero() {
			return old, nil
		}
		stored, err := s.Credential(ctx, org, old.ID)
		if err != nil && errs.KindOf(err) != errs.NotFound {
			return store.Connection{}, err
		}
		if stored.Equal(d.Credential) && old.Auth == c.Auth {
			return old, nil
		}
		if err := s.ReplaceCredential(ctx, org, by, old.ID, c.Auth, d.Credential); err != nil {
			return store.Connection{}, err
		}
		old.Auth = c.Auth
		return old, nil
	}
	return s.Create(ctx, org, by, d)
}

// Create validates and stores a connection with its credential.
func (s *Service) Create(ctx context.Context, org store.OrgID, by Actor, d Draft) (store.Connection, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return store.Connection{}, err
	}
	c, err := check(d)
	if err != nil {
		return store.Connection{}, err
	}
	credential, err := checkCredential(c.Auth, d.Credential)
	if err != nil {
		return store.Connection{}, err
	}
	now := s.config.Now().UTC()
	c.NextRunAt = nextRun(c.schedule, c.quiet, now)
	c.CreatedAt, c.UpdatedAt = now, now
	var made store.Connection
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if err := nameFree(ctx, tx, c.Name, ""); err != nil {
			return err
		}
		var err error
		if made, err = tx.InsertConnection(ctx, c.Connection); err != nil {
			return err
		}
		if err := tx.SetCredential(ctx, made.ID, credential); err != nil {
			return err
		}
		if err := s.audit(ctx, tx, org, by, "connection_created", made.ID, detail{URL: made.URL}); err != nil {
			return err
		}
		return s.auditExceptions(ctx, tx, org, by, made.ID, store.ConnectionOptions{}, made.Options)
	})
	if err != nil {
		return store.Connection{}, fmt.Errorf("create connection: %w", err)
	}
	return made, nil
}

// nameFree refuses a second connection of one name.
func nameFree(ctx context.Context, tx *store.Tx, name string, except store.ConnectionID) error {
	list, err := tx.Connections(ctx)
	if err != nil {
		return err
	}
	for _, c := range list {
		if c.ID != except && strings.EqualFold(c.Name, name) {
			return errs.New(errs.Conflict, "name_taken", fmt.Sprintf("There is a connection named %q already.", printable(name)), "Choose another name, or change that connection.")
		}
	}
	return nil
}

// Update changes a connection. An empty credential keeps the stored one, unless
// the address moved: a key must never reach another server than the one it was
// entered for, so it has to be entered again then.
func (s *Service) Update(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID, d Draft) (store.Connection, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return store.Connection{}, err
	}
	c, err := check(d)
	if err != nil {
		return store.Connection{}, err
	}
	credential := d.Credential
	if !credential.IsZero() {
		if credential, err = checkCredential(c.Auth, credential); err != nil {
			return store.Connection{}, err
		}
	}
	now := s.config.Now().UTC()
	var updated store.Connection
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		old, err := tx.Connection(ctx, id)
		if err != nil {
			return err
		}
		if credential.IsZero() && (!sameSite(old.URL, c.URL) || old.Auth != c.Auth) {
			return reenter()
		}
		if err := nameFree(ctx, tx, c.Name, id); err != nil {
			return err
		}
		updated = old
		updated.Name, updated.URL, updated.Auth, updated.Options = c.Name, c.URL, c.Auth, c.Options
		if updated.Schedule != c.Schedule || old.Options.QuietHours != c.Options.QuietHours {
			updated.NextRunAt = nextRun(c.schedule, c.quiet, now)
		}
		updated.Schedule = c.Schedule
		updated.UpdatedAt = now
		if err := tx.UpdateConnection(ctx, updated); err != nil {
			return err
		}
		if !credential.IsZero() {
			if err := tx.SetCredential(ctx, id, credential); err != nil {
				return err
			}
			if err := s.audit(ctx, tx, org, by, "credential_replaced", id, detail{}); err != nil {
				return err
			}
		}
		if err := s.audit(ctx, tx, org, by, "connection_updated", id, detail{URL: updated.URL, Changed: changed(old, updated)}); err != nil {
			return err
		}
		return s.auditExceptions(ctx, tx, org, by, id, old.Options, updated.Options)
	})
	if err != nil {
		return store.Connection{}, fmt.Errorf("update connection %s: %w", id, err)
	}
	return updated, nil
}

func reenter() error {
	return errs.New(errs.Invalid, "credential_needed", "The address or the way to log in changed, so the key has to be entered again.",
		"A stored key is only ever sent to the address it was entered for. Paste it again.")
}

// ReplaceCredential stores another credential.
func (s *Service) ReplaceCredential(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID, auth store.AuthKind, credential secret.Value) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	credential, err := checkCredential(auth, credential)
	if err != nil {
		return err
	}
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Connection(ctx, id)
		if err != nil {
			return err
		}
		c.Auth, c.UpdatedAt = cmp.Or(auth, store.AuthAPIKey), s.config.Now().UTC()
		if err := tx.UpdateConnection(ctx, c); err != nil {
			return err
		}
		if err := tx.SetCredential(ctx, id, credential); err != nil {
			return err
		}
		return s.audit(ctx, tx, org, by, "credential_replaced", id, detail{})
	})
	if err != nil {
		return fmt.Errorf("replace credential of connection %s: %w", id, err)
	}
	return nil
}

// Delete removes a connection with its credential and everything read from it.
func (s *Service) Delete(ctx context.Context, org store.OrgID, by Actor, id store.ConnectionID) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.Connection(ctx, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteConnection(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, org, by, "connection_deleted", id, detail{URL: c.URL})
	})
	if err != nil {
		return fmt.Errorf("delete connection %s: %w", id, err)
	}
	return nil
}

// TestDraft tries a draft without storing anything. A draft without credential
// is tried with that of the connection id, if it is for the same address.
func (s *Service) TestDraft(ctx context.Context, org store.OrgID, id store.ConnectionID, d Draft) (TestReport, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return TestReport{}, err
	}
	c, err := check(d)
	if err != nil {
		return TestReport{}, err
	}
	c.ID = id
	credential := d.Credential
	if credential.IsZero() && id != "" {
		old, err := s.Connection(ctx, org, id)
		if err != nil {
			return TestReport{}, err
		}
		if !sameSite(old.URL, c.URL) || old.Auth != c.Auth {
			return TestReport{}, reenter()
		}
		if credential, err = s.Credential(ctx, org, id); err != nil {
			return TestReport{}, err
		}
	}
	if credential, err = checkCredential(c.Auth, credential); err != nil {
		return TestReport{}, err
	}
	return s.probe(ctx, org, c.Connection, credential)
}

// Test tries a stored connection.
func (s *Service) Test(ctx context.Context, org store.OrgID, id store.ConnectionID) (TestReport, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return TestReport{}, err
	}
	c, err := s.Connection(ctx, org, id)
	if err != nil {
		return TestReport{}, err
	}
	credential, err := s.Credential(ctx, org, id)
	if err != nil {
		return TestReport{}, err
	}
	return s.probe(ctx, org, c, credential)
}

func (s *Service) probe(ctx context.Context, org store.OrgID, c store.Connection, credential secret.Value) (TestReport, error) {
	ctx, cancel := context.WithTimeout(ctx, testTimeout)
	defer cancel()
	begun := s.config.Now()
	c.Options.MaskLiterals = false // a test reads no queries
	recorder := store.NewRecorder(s.config.Store, org, c.ID, "")
	report, err := s.config.Prober.Probe(ctx, c, Credentials{Key: credential}, recorder)
	if flushed := recorder.Flush(context.WithoutCancel(ctx)); flushed != nil && err == nil {
		err = fmt.Errorf("record connection test: %w", flushed)
	}
	if err != nil {
		return TestReport{}, fmt.Errorf("test connection: %w", err)
	}
	report.Took = s.config.Now().Sub(begun)
	return report, nil
}

// Credential hands the stored credential to whoever opens a reader.
func (s *Service) Credential(ctx context.Context, org store.OrgID, id store.ConnectionID) (secret.Value, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return secret.Value{}, err
	}
	var v secret.Value
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		v, err = tx.Credential(ctx, id)
		return err
	})
	if err != nil {
		return secret.Value{}, fmt.Errorf("credential of connection %s: %w", id, err)
	}
	return v, nil
}

// Secrets hands out what opening a reader of a stored connection needs.
func (s *Service) Secrets(ctx context.Context, org store.OrgID, id store.ConnectionID) (Credentials, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return Credentials{}, err
	}
	var secrets Credentials
	err := s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) (err error) {
		secrets.MaskKey = tx.DeriveKey("mask-literals")
		secrets.Key, err = tx.Credential(ctx, id)
		return err
	})
	if err != nil {
		return Credentials{}, fmt.Errorf("credential of connection %s: %w", id, err)
	}
	return secrets, nil
}

// Opener opens readers of this service's connections.
func (s *Service) Opener() Opener { return s.config.Opener }

// nextRun is the first run after a time, moved out of the quiet hours.
func nextRun(schedule Schedule, quiet QuietHours, after time.Time) time.Time {
	next := schedule.Next(after)
	if next.IsZero() {
		return next
	}
	return quiet.Until(next)
}

// NextRun computes a stored connection's next scheduled scan after a time; the
// zero time when it has no schedule.
func NextRun(c store.Connection, after time.Time) (time.Time, error) {
	schedule, err := ParseSchedule(c.Schedule)
	if err != nil {
		return time.Time{}, err
	}
	quiet, err := ParseQuietHours(c.Options.QuietHours)
	if err != nil {
		return time.Time{}, err
	}
	return nextRun(schedule, quiet, after), nil
}

// detail is what an audit row of a connection says.
type detail struct {
	URL       string   `json:"url,omitempty"`
	Changed   []string `json:"changed,omitempty"`
	Exception string   `json:"exception,omitempty"`
}

func (s *Service) audit(ctx context.Context, tx *store.Tx, org store.OrgID, by Actor, action string, id store.ConnectionID, d detail) error {
	text, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("audit %s: %w", action, err)
	}
	return tx.Audit(ctx, store.AuditRow{
		At: s.config.Now().UTC(), OrgID: org, Actor: by.UserID, Action: action,
		Target: "connection:" + string(id), Source: cmp.Or(by.Source, "cli"), Detail: string(text),
	})
}

// auditExceptions leaves a row for each weaker setting that was switched on or
// off again.
func (s *Service) auditExceptions(ctx context.Context, tx *store.Tx, org store.OrgID, by Actor, id store.ConnectionID, old, now store.ConnectionOptions) error {
	for _, e := range []struct {
		option    string
		accepted  bool
		withdrawn bool
	}{
		{OptionPlainHTTP, now.AllowPlainHTTP && !old.AllowPlainHTTP, !now.AllowPlainHTTP && old.AllowPlainHTTP},
		{OptionTLS12, now.MinTLS12 && !old.MinTLS12, !now.MinTLS12 && old.MinTLS12},
		{OptionCustomCA, now.CACertificates != "" && now.CACertificates != old.CACertificates, now.CACertificates == "" && old.CACertificates != ""},
		{OptionPersonal, now.IncludePersonal && !old.IncludePersonal, !now.IncludePersonal && old.IncludePersonal},
	} {
		if e.withdrawn {
			if err := s.audit(ctx, tx, org, by, "exception_withdrawn", id, detail{Exception: e.option}); err != nil {
				return err
			}
		}
		if !e.accepted {
			continue
		}
		if err := s.audit(ctx, tx, org, by, "exception_accepted", id, detail{Exception: e.option}); err != nil {
			return err
		}
	}
	return nil
}

// changed names the parts of a connection that an update moved.
func changed(a, b store.Connection) []string {
	var names []string
	add := func(name string, moved bool) {
		if moved {
			names = append(names, name)
		}
	}
	add("name", a.Name != b.Name)
	add("url", a.URL != b.URL)
	add("auth", a.Auth != b.Auth)
	add("schedule", a.Schedule != b.Schedule)
	before, _ := json.Marshal(a.Options) //nolint:errchkjson // plain data
	after, _ := json.Marshal(b.Options)  //nolint:errchkjson // plain data
	add("options", string(before) != string(after))
	return names
}
