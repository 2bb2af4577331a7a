package storetest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest/pgtest"
)

var cluster pgtest.Cluster

func TestMain(m *testing.M) { os.Exit(cluster.Run(m)) }

func TestSmoke(t *testing.T) {
	for _, pg := range []bool{false, true} {
		k, _ := keys.Generate()
		cfg := store.Config{Dir: t.TempDir(), Keys: k}
		if pg {
			cfg.DatabaseURL = secret.New(cluster.Database(t))
		}
		ctx := context.Background()
		t0 := time.Now()
		s, err := store.Open(ctx, cfg)
		if err != nil {
			t.Fatal(pg, err)
		}
		t.Log(pg, "open", time.Since(t0), s.Warnings())
		var org store.OrgID
		if err := s.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
			o, err := tx.InsertOrganization(ctx, store.Organization{Name: "A"})
			org = o.ID
			return err
		}); err != nil {
			t.Fatal(pg, err)
		}
		err = s.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
			c, err := tx.InsertConnection(ctx, store.Connection{Name: "m"})
			if err != nil {
				return err
			}
			sc, err := tx.InsertScan(ctx, store.Scan{ConnectionID: c.ID, State: store.ScanRunning})
			if err != nil {
				return err
			}
			snap := &catalog.Snapshot{Questions: []*catalog.Question{{Common: catalog.Common{ID: "1", Name: "x"}}}}
			if _, err := tx.CommitSnapshot(ctx, sc.ID, snap); err != nil {
				return err
			}
			if err := tx.ReplaceSearch(ctx, c.ID, []store.SearchDoc{{Asset: catalog.Ref{Kind: "question", ID: "1"}, Name: "Monthly revenue", Identifiers: []string{"public.customer_orders"}}}); err != nil {
				return err
			}
			hits, n, err := tx.Search(ctx, c.ID, store.SearchQuery{Text: "orders rev"})
			t.Logf("%+v %d %v", hits, n, err)
			return tx.FinishScan(ctx, sc.ID, store.ScanSucceeded, "", "")
		})
		if err != nil {
			t.Fatal(pg, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		t.Log(time.Since(t0))
	}
}
