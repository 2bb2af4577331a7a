package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

func docs() []store.SearchDoc {
	doc := func(kind catalog.Kind, id, name string) store.SearchDoc {
		return store.SearchDoc{Asset: catalog.Ref{Kind: kind, ID: id}, Name: name}
	}
	a := doc(catalog.KindQuestion, "1", "Monthly revenue")
	a.Path, a.Description, a.Identifiers, a.Views = "Finance / Reports", "Net of refunds and taxes", []string{"public.customer_orders", "net_total", "CreatedAt"}, new(int64(900))
	b := doc(catalog.KindDashboard, "1", "Umsätze Übersicht")
	b.Views = new(int64(3))
	c := doc(catalog.KindModel, "2", "Orders")
	c.Trust = 3
	d := doc(catalog.KindQuestion, "3", "Orders")
	e := doc(catalog.KindTable, "1/public/customer_orders", "customer_orders")
	e.Path = "Warehouse / public"
	f := doc(catalog.KindQuestion, "4", "売上レポート")
	return []store.SearchDoc{a, b, c, d, e, f}
}

func testSearch(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	replace := func(list []store.SearchDoc) {
		w.In(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, w.Conn, list) })
	}
	search := func(q store.SearchQuery) (list []store.SearchHit, total int) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			list, total, err = tx.Search(ctx, w.Conn, q)
			return err
		})
		return list, total
	}
	if _, total := search(store.SearchQuery{Text: "orders"}); total != 0 {
		t.Errorf("found %d in nothing", total)
	}
	replace(docs())
	replace(docs()) // nothing changes
	for _, test := range []struct {
		text string
		want []string
	}{
		{"revenue", []string{"question:1"}},
		{"REVENUE monthly", []string{"question:1"}},
		{"even", []string{"question:1"}}, // inside a word
		{"tomer_ord", []string{"table:1/public/customer_orders", "question:1"}},
		{"orders", []string{"model:2", "question:3", "table:1/public/customer_orders", "question:1"}}, // trust, then name before SQL
		{"orders refunds", []string{"question:1"}},
		{"umsatze", []string{"dashboard:1"}},
		{"ÜBERSICHT", []string{"dashboard:1"}},
		{"売上", []string{"question:4"}},
		{"レポ", []string{"question:4"}},
		{"finance", []string{"question:1"}},
		{"createdat", []string{"question:1"}},
		{"nothing_like_it", nil},
		{"revenue nothing_like_it", nil},
		{"   ", nil},
		{"_", nil},
	} {
		list, total := search(store.SearchQuery{Text: test.text})
		var got []string
		for _, h := range list {
			got = append(got, h.Asset.String())
		}
		if total != len(test.want) {
			t.Errorf("%q: total %d", test.text, total)
		}
		if diff := diffAny(test.want, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", test.text, diff)
		}
	}
	list, _ := search(store.SearchQuery{Text: "net_tot"})
	if len(list) != 1 || !list[0].InSQL || list[0].Snippet != "public.customer_orders \x02net_total\x03 CreatedAt" || *list[0].Views != 900 || list[0].Path != "Finance / Reports" {
		t.Errorf("got %+v", list)
	}
	list, _ = search(store.SearchQuery{Text: "revenue"})
	if list[0].InSQL || list[0].Snippet != "Monthly \x02revenue\x03" {
		t.Errorf("got %+v", list)
	}
	list, total := search(store.SearchQuery{Text: "orders", Kinds: []catalog.Kind{catalog.KindQuestion, catalog.KindModel}, Limit: 1, Offset: 1})
	if total != 3 || len(list) != 1 || list[0].Asset.ID != "3" {
		t.Errorf("got %d: %+v", total, list)
	}

	// Edits, additions and removals.
	next := docs()[:3]
	next[0].Name = "Yearly earnings"
	next[1].Views = new(int64(77))
	next = append(next, store.SearchDoc{Asset: catalog.Ref{Kind: catalog.KindSnippet, ID: "1"}, Name: "Paid only"})
	replace(next)
	for text, want := range map[string]int{"monthly": 0, "yearly": 1, "paid": 1, "warehouse": 0, "売上": 0, "orders": 2} {
		if _, total := search(store.SearchQuery{Text: text}); total != want {
			t.Errorf("%q after the edit: %d, want %d", text, total, want)
		}
	}
	if list, _ := search(store.SearchQuery{Text: "umsatze"}); *list[0].Views != 77 {
		t.Error("usage was not refreshed")
	}
	// Another connection has an index of its own.
	w.Conn = w.NewConnection("Other")
	if _, total := search(store.SearchQuery{Text: "yearly"}); total != 0 {
		t.Error("another connection's assets were found")
	}
}

func testSearchHostile(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	list := docs()
	list = append(list, store.SearchDoc{Asset: catalog.Ref{Kind: catalog.KindQuestion, ID: "66"}, Name: "evil \x1b[31m\x02fake\x03 name\u009b", Description: strings.Repeat("pad ", 200) + "needle\x07 " + strings.Repeat("é ", 300)})
	for i := range 3000 { // one part of a word that thousands of words have
		list = append(list, store.SearchDoc{Asset: catalog.Ref{Kind: catalog.KindMetric, ID: fmt.Sprint(1000 + i)}, Name: fmt.Sprintf("widespread%d", i)})
	}
	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, w.Conn, list) })
	w.View(func(ctx context.Context, tx *store.Tx) error {
		for _, text := range []string{
			`"`, `'`, `*`, `revenue"`, `revenue' OR '1'='1`, `NEAR(a b)`, `name:revenue`, `AND`, `OR OR`, `NOT revenue`, `revenue*`, `^revenue`, `-revenue`, `(`, `{a b}:c`,
			`a & !b`, `revenue:*`, `<->`, `\`, "\x00", "\xff\xfe", strings.Repeat("a ", 5000), strings.Repeat("x", 100000), `%`, `orders --`, `$1`, `?1`, `:a`,
		} {
			if _, _, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: text}); err != nil {
				t.Errorf("%.40q: %v", text, err)
			}
		}
		hits, total, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: "idesp", Limit: 5})
		if total != 3000 || len(hits) != 5 {
			t.Errorf("got %d of %d", len(hits), total)
		}
		if err != nil {
			return err
		}
		hits, _, err = tx.Search(ctx, w.Conn, store.SearchQuery{Text: "needle"})
		if err != nil {
			return err
		}
		if s := hits[0].Snippet; !strings.Contains(s, "\x02needle\x03") || strings.ContainsAny(s, "\x07\x1b\u009b") || len(s) > 400 || !strings.HasPrefix(s, "… ") || !strings.HasSuffix(s, " …") {
			t.Errorf("snippet %q", s)
		}
		hits, _, err = tx.Search(ctx, w.Conn, store.SearchQuery{Text: "evil"})
		if s := hits[0].Snippet; s != "\x02evil\x03 [31mfake name" {
			t.Errorf("snippet %q", s)
		}
		return err
	})
}

func testRetention(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	const day = 24 * time.Hour
	keep := store.Retention{Scans: 90 * day, Audit: 30 * day, Ledger: 30 * day, Findings: 30 * day}
	ignored, quiet, loud := finder("USE001", "1", finding.Low), finder("USE001", "2", finding.Low), finder("USE001", "3", finding.Low)
	w.apply(company(), nil, ignored, quiet, loud)
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.Audit(ctx, store.AuditRow{Action: "x"}); err != nil {
			return err
		}
		if err := tx.RecordLedger(ctx, []store.LedgerRow{{Count: 1}}); err != nil {
			return err
		}
		return tx.IgnoreFinding(ctx, w.Conn, ignored.Fingerprint, "u1", "fine", time.Time{})
	})
	w.Clock.Add(60 * day)
	second := company()
	second.Questions[0].Query.SQL = "SELECT 'second'"
	w.apply(second, nil, loud)
	prune := func() (r store.PruneReport) {
		w.In(func(ctx context.Context, tx *store.Tx) (err error) {
			r, err = tx.Prune(ctx, keep, w.Clock.Now())
			return err
		})
		return r
	}
	scans := func() (list []store.Scan) {
		w.View(func(ctx context.Context, tx *store.Tx) (err error) {
			list, err = tx.Scans(ctx, w.Conn, 0, time.Time{})
			return err
		})
		return list
	}
	got := prune()
	// The audit row of a day after the first scan and the ledger row are older than 30 days.
	wantEqual(t, store.PruneReport{AuditRows: 1, LedgerRows: 1}, got)
	w.Clock.Add(31 * day)
	got = prune()
	wantEqual(t, store.PruneReport{Scans: 1, AssetVersions: 1, Findings: 1}, got)
	list := scans()
	if len(list) != 1 {
		t.Fatalf("got %+v", list)
	}
	second.Sort()
	wantEqual(t, second, w.Load(list[0].ID))
	// The decision outlives its scan, the text does not.
	f := w.finding(ignored.Fingerprint)
	if f.State != store.FindingIgnored || f.IgnoredReason != "fine" || f.Message != "" || f.AssetName != "" {
		t.Errorf("got %+v", f)
	}
	wantEqual(t, loud, w.finding(loud.Fingerprint).Finding)

	w.In(func(ctx context.Context, tx *store.Tx) error { return tx.ReplaceSearch(ctx, w.Conn, docs()) })
	w.Clock.Add(90 * day)
	got = prune()
	wantEqual(t, 1, got.Scans)
	wantEqual(t, 0, len(scans()))
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, total, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: "orders"})
		wantEqual(t, 0, total)
		return err
	})
	wantEqual(t, store.FindingIgnored, w.finding(ignored.Fingerprint).State)
	w.apply(company(), nil, ignored) // and it still holds
	f = w.finding(ignored.Fingerprint)
	wantEqual(t, store.FindingIgnored, f.State)
	wantEqual(t, ignored, f.Finding)
}

func testGone(t *testing.T, open Opener) {
	w := NewWorld(t, open)
	a := finder("USE001", "1", finding.Low)
	w.apply(company(), nil, a)
	scan, _ := w.Commit(company())
	w.In(func(ctx context.Context, tx *store.Tx) error {
		if err := tx.SetCredential(ctx, w.Conn, secret.New("mb_x")); err != nil {
			return err
		}
		if err := tx.ReplaceSearch(ctx, w.Conn, docs()); err != nil {
			return err
		}
		if err := tx.AddOwnReads(ctx, w.Conn, map[string]int64{"1": 1}); err != nil {
			return err
		}
		return tx.DeleteConnection(ctx, w.Conn)
	})
	w.View(func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Credential(ctx, w.Conn)
		wantKind(t, err, errs.NotFound, "")
		_, err = tx.Scan(ctx, scan.ID)
		wantKind(t, err, errs.NotFound, "")
		_, err = tx.LoadSnapshot(ctx, scan.ID)
		wantKind(t, err, errs.NotFound, "")
		_, err = tx.Finding(ctx, w.Conn, a.Fingerprint)
		wantKind(t, err, errs.NotFound, "")
		history, err := tx.AssetHistory(ctx, w.Conn, catalog.Ref{Kind: catalog.KindQuestion, ID: "1"})
		if err != nil {
			return err
		}
		reads, err := tx.OwnReads(ctx, w.Conn)
		if err != nil {
			return err
		}
		_, total, err := tx.Search(ctx, w.Conn, store.SearchQuery{Text: "orders"})
		wantEqual(t, 0, len(history)+len(reads)+total)
		return err
	})
}
