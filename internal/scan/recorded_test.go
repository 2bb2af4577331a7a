package scan_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mbql"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
	"github.com/metalens/metalens/internal/scan"
)

// recordings are the folders with recorded answers of a real Metabase.
func recordings(t *testing.T) []string {
	t.Helper()
	var dirs []string
	for _, root := range []string{shared(t, "corpus", "A_api_responses"), shared(t, "metabase", "fixtures")} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == "api" {
				dirs = append(dirs, filepath.Dir(path))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return dirs
}

// answer decodes a recorded file; absent files leave the value as it is.
func answer(t *testing.T, into any, parts ...string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(parts...))
	if os.IsNotExist(err) {
		return
	}
	if err == nil {
		err = json.Unmarshal(data, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

type row struct {
	ID              json.RawMessage `json:"id"`
	PersonalOwnerID *int            `json:"personal_owner_id"`
	Name            string          `json:"name"`
	Schema          string          `json:"schema"`
	DBID            int             `json:"db_id"`
	FKTarget        int64           `json:"fk_target_field_id"`
	Fields          []row           `json:"fields"`
	Tables          []row           `json:"tables"`
	DatabaseID      int             `json:"database_id"`
	TableID         int             `json:"table_id"`
	CollectionID    int             `json:"collection_id"`
	SourceCardID    int             `json:"source_card_id"`
	CreatorID       int             `json:"creator_id"`
	Dashcards       []struct {
		CardID int `json:"card_id"`
		Series []row
	} `json:"dashcards"`
}

func (r row) id() string { return strings.Trim(string(r.ID), `"`) }

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// TestRecordedFolders reads every recording and compares the snapshot with the
// files, decoded here by other means.
func TestRecordedFolders(t *testing.T) {
	dirs := recordings(t)
	if len(dirs) < 5 {
		t.Fatalf("only %d recordings found", len(dirs))
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(filepath.Dir(dir))+"_"+filepath.Base(dir), func(t *testing.T) {
			server := metabasetest.ServeRecorded(dir, metabasetest.RecordedConfig{})
			s := mustRead(t, client(t, server.Start(t), "any", nil), scan.Options{})
			server.CheckOnlyAllowed(t)
			x := catalog.NewIndex(s)
			checkRecordedSchema(t, dir, x)
			checkRecordedContent(t, dir, s, x)
			for route, n := range server.RouteCounts() {
				if strings.Contains(route, "/api/dashboard/") && n > 1 {
					t.Errorf("%s: %d requests", route, n)
				}
			}
			again := mustRead(t, client(t, server.Start(t), "any", nil), scan.Options{Previous: s})
			for i, d := range s.Dashboards {
				if diff := gocmp.Diff(d, again.Dashboards[i]); diff != "" {
					t.Errorf("dashboard %s moved on a rescan (-first +second):\n%s", d.ID, diff)
				}
				if diff := gocmp.Diff(s.Usage[d.Ref()], again.Usage[d.Ref()]); diff != "" {
					t.Errorf("usage of dashboard %s moved on a rescan (-first +second):\n%s", d.ID, diff)
				}
			}
			if partial, reasons := s.Partial(); !partial || len(reasons) == 0 {
				t.Error("a server without lists gave a scan that calls itself complete")
			}
		})
	}
}

func checkRecordedSchema(t *testing.T, dir string, x *catalog.Index) {
	t.Helper()
	var databases []row
	answer(t, &databases, dir, "api", "database.json")
	for _, d := range databases {
		if x.Database(d.id()) == nil {
			t.Errorf("database %s is missing", d.id())
		}
		var detail row
		answer(t, &detail, dir, "api", "database", d.id(), "metadata.json")
		for _, table := range detail.Tables {
			id := catalog.TableID(d.id(), table.Schema, table.Name)
			found := x.Table(id)
			if found == nil || number(int(found.MetabaseID)) != table.id() {
				t.Errorf("table %s (%s) is missing", id, table.id())
				continue
			}
			for _, field := range table.Fields {
				column := x.Column(catalog.ColumnID(id, field.Name))
				if column == nil || strconv.FormatInt(column.MetabaseID, 10) != field.id() {
					t.Errorf("column %s.%s is missing", id, field.Name)
					continue
				}
				if target := x.ColumnByNumber(field.FKTarget); field.FKTarget != 0 && (target == nil || column.FKTargetID != target.ID) {
					t.Errorf("column %s points at %q, want field %d", column.ID, column.FKTargetID, field.FKTarget)
				}
			}
			if len(found.Columns) != len(table.Fields) {
				t.Errorf("table %s has %d columns, want %d", id, len(found.Columns), len(table.Fields))
			}
		}
	}
	var tables []row
	answer(t, &tables, dir, "api", "table.json")
	for _, table := range tables {
		if x.Table(catalog.TableID(strconv.Itoa(table.DBID), table.Schema, table.Name)) == nil {
			t.Errorf("listed table %s is missing", table.id())
		}
	}
}

func checkRecordedContent(t *testing.T, dir string, s *catalog.Snapshot, x *catalog.Index) {
	t.Helper()
	var collections []row
	answer(t, &collections, dir, "api", "collection.json")
	for _, c := range collections {
		switch found := x.Collection(c.id()); {
		case found == nil:
			t.Errorf("collection %s is missing", c.id())
		case c.PersonalOwnerID != nil && found.Name != "Personal collection":
			t.Errorf("the name of personal collection %s is told: %q", c.id(), found.Name)
		}
	}
	cards := files(t, dir, "card")
	for _, id := range cards {
		var want row
		answer(t, &want, dir, "api", "card", id+".json")
		q := x.Question(id)
		if q == nil || q.Unreadable {
			t.Errorf("card %s is missing", id)
			continue
		}
		source := q.SourceQuestionID
		if want.SourceCardID == 0 {
			source = "" // older servers tell it in the query only
		}
		got := []string{q.Name, q.DatabaseID, q.CollectionID, source, q.CreatorID}
		expected := []string{want.Name, number(want.DatabaseID), cmp.Or(number(want.CollectionID), "root"), number(want.SourceCardID), number(want.CreatorID)}
		if !slices.Equal(got, expected) {
			t.Errorf("card %s: %v, want %v", id, got, expected)
		}
		if table := x.TableByNumber(int64(want.TableID)); want.TableID != 0 && (table == nil || q.TableID != table.ID) {
			t.Errorf("card %s: table %q, want number %d", id, q.TableID, want.TableID)
		}
		if q.Query.Language == catalog.LanguageNone {
			t.Errorf("card %s has no query", id)
		}
		if x.Person(q.CreatorID) == nil {
			t.Errorf("creator %s of card %s is not listed", q.CreatorID, id)
		}
	}
	if len(s.Questions) != len(cards) {
		t.Errorf("%d questions, want %d", len(s.Questions), len(cards))
	}
	dashboards := files(t, dir, "dashboard")
	for _, id := range dashboards {
		var want row
		answer(t, &want, dir, "api", "dashboard", id+".json")
		d := x.Dashboard(id)
		if d == nil || d.DetailUnread || d.Name != want.Name {
			t.Errorf("dashboard %s is missing or unread", id)
			continue
		}
		var got, expected []string
		for _, card := range d.Cards {
			got = append(got, card.QuestionID)
		}
		for _, card := range want.Dashcards {
			expected = append(expected, number(card.CardID))
		}
		slices.Sort(got)
		slices.Sort(expected)
		if !slices.Equal(got, expected) {
			t.Errorf("dashboard %s shows %v, want %v", id, got, expected)
		}
	}
	if len(s.Dashboards) != len(dashboards) {
		t.Errorf("%d dashboards, want %d", len(s.Dashboards), len(dashboards))
	}
}

func files(t *testing.T, dir, kind string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "api", kind, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no %s files: %v", kind, err)
	}
	for i, name := range names {
		names[i] = strings.TrimSuffix(filepath.Base(name), ".json")
	}
	return names
}

// TestBothDialectsGiveOneInventory compares the recordings of one instance in
// MBQL 4 and 5: everything but the form of queries is equal, and so is what
// the queries mean.
func TestBothDialectsGiveOneInventory(t *testing.T) {
	for _, root := range []string{shared(t, "metabase", "fixtures"), shared(t, "corpus", "A_api_responses", "dbt-metabase", "2026-08_head_5c2c7649")} {
		t.Run(filepath.Base(root), func(t *testing.T) {
			var both []*catalog.Snapshot
			var lists [][]string
			for _, dialect := range []string{"mbql4", "mbql5"} {
				server := metabasetest.ServeRecorded(filepath.Join(root, dialect), metabasetest.RecordedConfig{})
				s := mustRead(t, client(t, server.Start(t), "any", nil), scan.Options{})
				both = append(both, s)
				lists = append(lists, inventory(s))
			}
			if diff := gocmp.Diff(lists[0], lists[1]); diff != "" {
				t.Errorf("inventories differ (-mbql4 +mbql5):\n%s", diff)
			}
			for i, q := range both[0].Questions {
				if got, want := canonical(t, both[1].Questions[i]), canonical(t, q); got != want {
					t.Errorf("question %s means\n%s\nin MBQL 5 and\n%s\nin MBQL 4", q.ID, got, want)
				}
			}
		})
	}
}

// inventory writes what a snapshot holds and what refers to what, one line each.
func inventory(s *catalog.Snapshot) []string {
	var lines []string
	for a := range s.All() {
		lines = append(lines, fmt.Sprint(a.Ref(), " ", a.Title(), " in ", a.InCollection(), " ", a.Entity(), " ", a.IsArchived()))
		switch a := a.(type) {
		case *catalog.Question:
			lines = append(lines, fmt.Sprint("  on ", a.DatabaseID, a.TableID, " from ", a.SourceQuestionID, " ", a.Query.Language, " ", a.Query.SQL))
			for _, c := range a.ResultColumns {
				lines = append(lines, fmt.Sprint("  gives ", c.Name, " of ", c.ColumnID))
			}
		case *catalog.Dashboard:
			for _, c := range a.Cards {
				lines = append(lines, fmt.Sprint("  shows ", c.QuestionID, c.SeriesIDs, c.Virtual, len(c.Mappings)))
			}
		case *catalog.Table:
			for _, c := range a.Columns {
				lines = append(lines, fmt.Sprint("  has ", c.ID, c.MetabaseID, c.BaseType, c.FKTargetID))
			}
		}
	}
	return lines
}

func canonical(t *testing.T, q *catalog.Question) string {
	t.Helper()
	if len(q.Query.MBQL) == 0 {
		return q.Query.SQL
	}
	query, err := mbql.Parse(q.Query.MBQL)
	if err != nil {
		t.Fatalf("question %s: %v", q.ID, err)
	}
	return mbql.Canonical(query, mbql.Strict)
}
