package erasure_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/mail"
	"github.com/metalens/metalens/internal/store"
)

// TestEveryTableIsKnown fails for a new table that is neither a record that
// people write, with its place in the export, nor named as derived.
func TestEveryTableIsKnown(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		known := erasure.Derived()
		for _, list := range [][]erasure.Record{erasure.Authored(), erasure.OwnRecords()} {
			for _, r := range list {
				if r.What == "" || r.Edit == "" || r.Delete == "" || r.File == "" {
					t.Errorf("%+v leaves something open", r)
				}
				for _, table := range r.Tables {
					if _, twice := erasure.Derived()[table]; twice {
						t.Errorf("%s is written by people and derived", table)
					}
					known[table] = r.What
				}
			}
		}
		there := b.dump(b.raw())
		for table := range there {
			if strings.HasPrefix(table, "river_") || strings.HasPrefix(table, "sqlite_") || table == "goose_db_version" {
				continue
			}
			if known[table] == "" {
				t.Errorf("table %s is new: add it to Authored with its export, or to Derived with the reason", table)
			}
		}
		for table := range known {
			if _, ok := there[table]; !ok {
				t.Errorf("there is no table %s", table)
			}
		}
	})
}

func unzip(t *testing.T, content []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestExport writes what people wrote, each in JSON and CSV, and no key.
func TestExport(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		b.in(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(tx.SetSetting(ctx, "mail.password", "hidden"), tx.SetSetting(ctx, "formula", "=1+1"))
		})
		var out bytes.Buffer
		if err := b.service.ExportOrganization(b.as(b.member, store.RoleViewer), b.org, &out); errs.KindOf(err) != errs.Forbidden {
			t.Fatalf("a viewer exports: %v", err)
		}
		if err := b.service.ExportOrganization(b.as(b.owner, store.RoleOwner), b.org, &out); err != nil {
			t.Fatal(err)
		}
		files := unzip(t, out.Bytes())
		for _, r := range erasure.Authored() {
			var rows []map[string]string
			if err := json.Unmarshal(files[r.File+".json"], &rows); err != nil || len(rows) == 0 {
				t.Errorf("%s.json: %d rows, %v", r.File, len(rows), err)
			}
			table, err := csv.NewReader(bytes.NewReader(files[r.File+".csv"])).ReadAll()
			if err != nil || len(table) != len(rows)+1 {
				t.Errorf("%s.csv: %d lines for %d rows, %v", r.File, len(table), len(rows), err)
			}
		}
		whole := string(bytes.Join(slices.Collect(values(files)), nil))
		for _, hidden := range []string{"mb_" + b.marker, "$argon2id$", "hidden"} {
			if strings.Contains(whole, hidden) {
				t.Errorf("the export shows %q", hidden)
			}
		}
		if !strings.Contains(string(files["settings.csv"]), "'=1+1") {
			t.Error("a formula reaches the spreadsheet")
		}
		if !strings.Contains(string(files["decisions.json"]), b.addressOf(b.member)) || !strings.Contains(string(files["decisions.json"]), b.marker) {
			t.Error("the decisions do not say who and why")
		}

		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			return tx.SetEmailChange(ctx, b.member, "soon@example.com", "token", b.clock.AddDate(0, 0, 1))
		})
		out.Reset()
		if err := b.service.ExportAccount(b.as(b.member, store.RoleViewer), &out); err != nil {
			t.Fatal(err)
		}
		files = unzip(t, out.Bytes())
		for _, r := range erasure.OwnRecords() {
			var rows []map[string]string
			if err := json.Unmarshal(files[r.File+".json"], &rows); err != nil || len(rows) == 0 {
				t.Errorf("own %s.json: %d rows, %v", r.File, len(rows), err)
			}
		}
		whole = string(bytes.Join(slices.Collect(values(files)), nil))
		if !strings.Contains(string(files["account.csv"]), "soon@example.com") {
			t.Error("the address that waits for its letter is left out")
		}
		if strings.Contains(whole, b.addressOf(b.owner)) || strings.Contains(whole, "$argon2id$") {
			t.Error("the export of one's own shows others or a hash")
		}
	})
}

func values(m map[string][]byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

// post keeps letters that were queued.
type post struct {
	letters []mail.Message
	orgs    []store.OrgID
	fail    error
}

func (p *post) Configured() bool { return true }

func (p *post) Queue(_ context.Context, _ jobs.Transaction, org store.OrgID, m mail.Message) error {
	if p.fail != nil {
		return p.fail
	}
	p.letters, p.orgs = append(p.letters, m), append(p.orgs, org)
	return nil
}

// TestTheLetter confirms a deletion to the address that is gone, in the
// transaction of the deletion: without the letter there is no deletion.
func TestTheLetter(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		letters := &post{fail: errors.New("the queue is broken")}
		service, err := erasure.New(erasure.Config{Store: b.store, Post: letters, Now: b.cfg.Now})
		if err != nil {
			t.Fatal(err)
		}
		address := b.addressOf(b.member)
		if _, err := service.DeleteAccount(b.as(b.member, store.RoleAdmin), address); err == nil {
			t.Fatal("deleted without the letter")
		}
		if b.addressOf(b.member) != address {
			t.Fatal("the account went without its letter")
		}
		letters.fail = nil
		r, err := service.DeleteAccount(b.as(b.member, store.RoleAdmin), address)
		if err != nil || !r.Mailed {
			t.Fatalf("%+v, %v", r, err)
		}
		if len(letters.letters) != 1 || letters.letters[0].To != address || letters.orgs[0] != "" || !strings.Contains(letters.letters[0].Text, r.ID) {
			t.Errorf("letters %+v", letters.letters)
		}
		if strings.Contains(letters.letters[0].Text, b.memberMarker) {
			t.Error("the letter's text names the person")
		}
	})
}

// TestLimits are lowered within what the operator allows, previewed exactly,
// applied at once, and reported.
func TestLimits(t *testing.T) {
	engines(t, func(t *testing.T, b *bench) {
		b.plant()
		owner, viewer := b.as(b.owner, store.RoleOwner), b.as(b.member, store.RoleViewer)
		if l, err := b.service.Limits(viewer, b.org); err != nil || l != erasure.DefaultLimits() {
			t.Fatalf("limits %+v, %v", l, err)
		}
		short := erasure.Limits{Scans: 5, Audit: 4, Ledger: 3, Payloads: 2}
		if err := b.service.SetLimits(viewer, b.org, short); errs.KindOf(err) != errs.Forbidden {
			t.Errorf("a viewer sets limits: %v", err)
		}
		var bad erasure.LimitErrors
		if err := b.service.SetLimits(owner, b.org, erasure.Limits{Scans: 91, Audit: 0, Ledger: 30, Payloads: 30}); !errors.As(err, &bad) || len(bad) != 2 {
			t.Errorf("upwards: %v", err)
		}
		b.clock = b.clock.AddDate(0, 0, 10)
		if counts, err := b.service.Preview(owner, b.org, erasure.DefaultLimits()); err != nil || len(counts) != 0 {
			t.Errorf("nothing is past 30 days, but %v, %v", counts, err)
		}
		preview, err := b.service.Preview(owner, b.org, short)
		if err != nil || preview["scans"] != 2 || preview["ledger_rows"] != 4 || preview["audit_rows"] == 0 {
			t.Errorf("preview %v, %v", preview, err)
		}
		if again, err := b.service.Preview(owner, b.org, short); err != nil || fmt.Sprint(again) != fmt.Sprint(preview) {
			t.Errorf("a preview changed something: %v, %v", again, err)
		}
		if err := b.service.SetLimits(owner, b.org, short); err != nil {
			t.Fatal(err)
		}
		r, err := b.service.Apply(owner, b.org)
		if err != nil || r.Deleted["scans"] != preview["scans"] || r.Deleted["ledger_rows"] != preview["ledger_rows"] {
			t.Errorf("applied %+v, %v", r, err)
		}
		reports, err := b.service.Reports(viewer, b.org, 10)
		if err != nil || len(reports) != 2 || reports[0].Cause != erasure.CauseRequest || reports[0].Days["scans"] != 5 { // one was planted
			t.Errorf("reports %+v, %v", reports, err)
		}
		b.in(func(ctx context.Context, tx *store.Tx) error { // decisions outlive what they point at
			list, _, err := tx.Findings(ctx, store.FindingQuery{Connection: b.conn, States: []store.FindingState{store.FindingIgnored}})
			if err != nil || len(list) != 1 || list[0].IgnoredReason == "" || list[0].Message != "" {
				t.Errorf("decisions %+v, %v", list, err)
			}
			return nil
		})
		if err := b.service.RunDaily(t.Context()); err != nil {
			t.Error(err)
		}
		b.system(func(ctx context.Context, tx *store.SystemTx) error {
			all, err := tx.RetentionReports(ctx, 10)
			if len(all) != 3 || all[0].Cause != erasure.CauseDaily {
				t.Errorf("the operator sees %+v", all)
			}
			return err
		})
		if r, err := b.store.VerifyLedger(t.Context(), nil); err != nil || !r.OK() {
			t.Errorf("the chains do not hold after retention: %v", err)
		}
	})
}
