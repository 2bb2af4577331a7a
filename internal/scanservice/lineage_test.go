package scanservice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/lineageview"
	"github.com/metalens/metalens/internal/scanservice"
	"github.com/metalens/metalens/internal/sqllineage"
	"github.com/metalens/metalens/internal/store"
)

// parsed reads from a log how many texts the last scan parsed.
func parsed(t *testing.T, log *bytes.Buffer) int {
	t.Helper()
	last := -1
	for line := range bytes.Lines(log.Bytes()) {
		var entry struct {
			Msg         string `json:"msg"`
			TextsParsed *int   `json:"texts_parsed"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Msg == "scan ended" && entry.TextsParsed != nil {
			last = *entry.TextsParsed
		}
	}
	return last
}

// TestRescanParsesWhatChanged: another process takes up what the scan before
// worked out, and each scan leaves its lineage.
func TestRescanParsesWhatChanged(t *testing.T) {
	var log bytes.Buffer
	b := newBench(t, setup{})
	process := func() {
		t.Helper()
		config := b.config
		config.SQL, config.Logger = sqllineage.New(), slog.New(slog.NewJSONHandler(&log, nil))
		var err error
		b.service, err = scanservice.New(config)
		b.must(err)
	}
	process()
	first := b.direct()
	all := parsed(t, &log)
	if all < 5 {
		t.Fatalf("the first scan parsed %d texts", all)
	}
	process()
	b.later(24 * time.Hour)
	second := b.direct()
	if n := parsed(t, &log); n != 0 {
		t.Errorf("an unchanged rescan parsed %d of %d texts", n, all)
	}
	process()
	i := slices.IndexFunc(second.Snapshot.Questions, func(q *catalog.Question) bool {
		return q.Query.Language == catalog.LanguageSQL && len(q.Query.Tags) == 0
	})
	id, err := strconv.Atoi(second.Snapshot.Questions[i].ID)
	b.must(err)
	b.fake.RenameCard(id, "Renamed since")
	third := b.direct()
	if n := parsed(t, &log); n != 0 {
		t.Errorf("a new name made %d texts be parsed", n)
	}
	loader := lineageview.New(lineageview.Config{Store: b.store}) // no SQL engine: it must be stored
	for _, out := range []*scanservice.Outcome{first, second, third} {
		view, err := loader.Load(access.AsSystem(t.Context()), b.org, out.Scan.ID)
		b.must(err)
		want := lineage.Build(access.AsSystem(t.Context()), catalog.NewIndex(out.Snapshot), lineage.WithSQL(sqllineage.New()))
		diff := cmp.Diff(want.Edges, slices.Collect(view.Graph.AllEdges())) + cmp.Diff(want.ColumnEdges, slices.Collect(view.Graph.AllColumnEdges())) +
			cmp.Diff(want.Unresolved, view.Graph.Unresolved, cmpopts.EquateEmpty())
		if diff != "" {
			t.Errorf("scan %d (-built +stored)\n%s", out.Scan.Seq, diff)
		}
		if len(want.ColumnEdges) == 0 {
			t.Error("nothing to compare")
		}
	}
	latest, err := loader.Latest(access.AsSystem(t.Context()), b.org, b.conn.ID)
	b.must(err)
	if name := latest.Index.Question(second.Snapshot.Questions[i].ID).Name; name != "Renamed since" {
		t.Errorf("the newest view knows the question as %q", name)
	}
	b.must(b.store.InOrg(access.AsSystem(t.Context()), b.org, func(ctx context.Context, tx *store.Tx) error { return tx.DeleteScan(ctx, third.Scan.ID) }))
	process()
	b.later(time.Hour)
	b.direct()
	if n := parsed(t, &log); n != all {
		t.Errorf("%d texts were parsed after the results went with their scan, want %d", n, all)
	}
}
