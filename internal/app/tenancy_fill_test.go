package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// owned are the tables in which the first organization and its members have rows
// while the matrix runs; TestTenants fails when one of them is empty.
var owned = []string{
	"access_tokens", "ai_calls", "ai_outputs", "ai_settings", "ai_spend", "asset_versions", "audit_log", "chat_maps", "chat_messages", "chats", "connection_keys", "connections", "egress_ledger", "egress_payloads", "email_changes", "factors", "findings",
	"finding_events", "grants", "invitations", "known_devices", "memberships", "organizations", "password_resets", "recovery_codes", "retention_reports", "river_job",
	"scans", "search_docs", "sensitivity_rules", "sessions", "settings", "sso_identities", "users",
}

// personal are the tables of accounts, whose rows carry no organization.
var personal = []string{"sessions", "factors", "recovery_codes", "email_changes", "known_devices", "password_resets", "sso_identities"}

// fillAccounts gives the first organization one of everything that belongs to its
// members and to its own keeping, and notes the ids. It logs its members in first:
// a second factor would stop them.
func (m *matrix) fillAccounts() {
	m.t.Helper()
	m.inside = map[store.Role]*browser{}
	for _, role := range allRoles {
		m.inside[role] = m.login(m.a.users[role].Email)
	}
	editor, owner := m.a.users[store.RoleEditor], m.a.users[store.RoleOwner]
	later := m.server.env.Now().Add(48 * time.Hour)
	hash := func(text string) []byte {
		sum := sha256.Sum256([]byte(text))
		return sum[:]
	}
	var factors []string
	m.must(m.server.store.InSystem(m.system, func(ctx context.Context, tx *store.SystemTx) error {
		i, err := tx.PutInvitation(ctx, store.Invitation{OrgID: m.a.org, Email: "invited@alpha.example", Role: store.RoleViewer, InvitedBy: owner.ID, ExpiresAt: later}, hash("zqainvitation"))
		if err != nil {
			return err
		}
		m.ids["invitation"] = i.ID
		for _, f := range []store.Factor{
			{UserID: editor.ID, Kind: store.FactorTOTP, Name: "zqafactor00001z", Secret: secret.New("JBSWY3DPEHPK3PXP")},
			{UserID: editor.ID, Kind: store.FactorPasskey, Name: "zqapasskey00001z", Credential: json.RawMessage(`{"id":"enFhcGFzc2tleQ=="}`)},
		} {
			made, err := tx.InsertFactor(ctx, f)
			if err != nil {
				return err
			}
			factors = append(factors, made.ID)
		}
		for _, do := range []func() error{
			func() error {
				return tx.ReplaceRecoveryCodes(ctx, editor.ID, []string{"aaaa-bbbb-cccc", "dddd-eeee-ffff"})
			},
			func() error { return tx.PutPasswordReset(ctx, editor.ID, hash("zqareset"), later) },
			func() error { return tx.SetEmailChange(ctx, editor.ID, "later@alpha.example", "zqachange", later) },
			func() error { return tx.RememberDevice(ctx, editor.ID, editor.Email, "zqadevice", m.server.env.Now()) },
			func() error {
				return tx.InsertSSOIdentity(ctx, store.SSOIdentity{Issuer: "https://id.alpha.example", Subject: "zqasubject00001z", UserID: editor.ID, Email: editor.Email})
			},
		} {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}))
	m.bearer(m.a, store.RoleEditor)
	m.ids["factor"] = factors[0]
	m.job()
	m.keep()

	one := func(query string, args ...any) (id string) {
		m.must(m.raw.QueryRowContext(m.system, query, args...).Scan(&id))
		return id
	}
	m.ids["token"] = one(`SELECT id FROM access_tokens WHERE org_id = $1`, string(m.a.org))
	m.ids["row"] = one(`SELECT id FROM egress_payloads WHERE org_id = $1 LIMIT 1`, string(m.a.org))
	m.ids["session"] = one(`SELECT id FROM sessions WHERE user_id = $1 LIMIT 1`, string(editor.ID))
	m.others = map[string][]string{
		"factor":  factors[1:],
		"session": {one(`SELECT id FROM sessions WHERE user_id = $1 LIMIT 1`, string(owner.ID))},
		"user":    {string(owner.ID), string(editor.ID)},
		"member":  {string(editor.ID)},
		// What the store knows of one-time addresses must not open them.
		"token": {
			m.ids["invitation"], hex.EncodeToString(hash("zqainvitation")), hex.EncodeToString(hash("zqareset")),
			one(`SELECT id FROM email_changes WHERE user_id = $1`, string(editor.ID)), one(`SELECT id FROM recovery_codes WHERE user_id = $1 LIMIT 1`, string(editor.ID)),
		},
	}
	for _, name := range []string{"invitation", "token", "factor", "session", "job", "row", "scan", "chat", "rule", "call"} {
		m.texts = append(m.texts, m.ids[name])
	}
	m.marks = append(m.marks, "zqasubject00001z", "invited@alpha", "later@alpha")
}

// job leaves a job of the first organization in the queue; nobody works on it.
func (m *matrix) job() {
	queue, err := jobs.NewQueue(m.server.store)
	m.must(err)
	m.must(m.server.store.InOrg(m.system, m.a.org, func(ctx context.Context, tx *store.Tx) error {
		id, _, err := queue.Enqueue(ctx, tx, scanservice.JobScan, jobs.Args{Connection: m.a.conn, Scan: m.a.scan})
		m.ids["job"] = strconv.FormatInt(id, 10)
		return err
	}))
}

// keep runs the first organization's own housekeeping: retention with its report,
// an export with its row of the audit log, a grant of collections.
func (m *matrix) keep() {
	owner := m.a.users[store.RoleOwner]
	ctx := access.With(m.system, access.Actor{Kind: access.Person, User: string(owner.ID), Org: string(m.a.org), Role: store.RoleOwner})
	limits := erasure.DefaultLimits()
	limits.Audit--
	m.must(m.server.erasure.SetLimits(ctx, m.a.org, limits))
	_, err := m.server.erasure.Apply(ctx, m.a.org)
	m.must(err)
	var archive bytes.Buffer
	m.must(m.server.erasure.ExportOrganization(ctx, m.a.org, &archive))
	m.must(m.server.store.InOrg(m.system, m.a.org, func(ctx context.Context, tx *store.Tx) error {
		err := tx.RecordLedger(ctx, []store.LedgerRow{{ConnectionID: m.a.conn, ScanID: m.a.scan, Entry: ledger.Entry{
			At: m.server.env.Now(), Purpose: ledger.PurposeModel, Method: http.MethodPost, Host: "model.alpha.example",
			Payload: &ledger.Payload{Media: "text/plain", Content: []byte("zqapayload00001z"), Author: string(owner.ID)},
		}}})
		if err != nil {
			return err
		}
		return tx.SetGrant(ctx, m.a.conn, m.a.users[store.RoleEditor].ID, store.Grant{Mode: store.GrantCollections, Collections: []string{"1"}})
	}))
}

// complete fails when the first organization lacks rows that the matrix is to
// guard.
func (m *matrix) complete(t *testing.T, before map[string][]string) {
	t.Helper()
	for _, table := range owned {
		if len(before[table]) == 0 {
			t.Errorf("the first organization has no row in %s: the matrix would prove nothing of it", table)
		}
	}
	if !strings.Contains(strings.Join(before["audit_log"], ""), "organization_exported") {
		t.Error("the export left no row")
	}
}
