package catalog_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/catalog"
)

func TestIDsAreWrittenAsTheContractSays(t *testing.T) {
	table := catalog.TableID("2", "", "a/b")
	if table != "2//a%2Fb" {
		t.Errorf("table id %q", table)
	}
	column := catalog.ColumnID(table, "x/y")
	if column != "2//a%2Fb/x%2Fy" || catalog.TableOfColumn(column) != table {
		t.Errorf("column id %q of table %q", column, catalog.TableOfColumn(column))
	}
}

func TestIDsComeApartAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringOf(rapid.SampledFrom([]rune("ab/%2F5 é.")))
		database, schema, name, column := part.Draw(t, "database"), part.Draw(t, "schema"), part.Draw(t, "table"), part.Draw(t, "column")
		id := catalog.ColumnID(catalog.TableID(database, schema, name), column)
		d, s, n, c, ok := catalog.SplitID(id)
		if !ok || d != database || s != schema || n != name || c != column {
			t.Fatalf("%q came apart as %q %q %q %q %v", id, d, s, n, c, ok)
		}
	})
	for _, id := range []string{"", "a", "a/b", "a/b/c/d/e"} {
		if _, _, _, _, ok := catalog.SplitID(id); ok {
			t.Errorf("%q is taken for an id", id)
		}
	}
}

func TestIDsSortByNumber(t *testing.T) {
	got := []string{"b", "10", "9", "root", "100", "a"}
	slices.SortFunc(got, catalog.CompareID)
	if want := []string{"9", "10", "100", "a", "b", "root"}; !slices.Equal(got, want) {
		t.Errorf("sorted: %v", got)
	}
}

func collection(id, name, parent string) *catalog.Collection {
	return &catalog.Collection{Common: catalog.Common{ID: id, Name: name}, ParentID: parent}
}

func TestCollectionPathsSurviveOddTrees(t *testing.T) {
	mine := collection("5", "Ada's", "root")
	mine.PersonalOwnerID = "7"
	x := catalog.NewIndex(&catalog.Snapshot{Collections: []*catalog.Collection{
		collection("1", "Finance", "root"), collection("2", "Revenue", "1"), collection("3", "Loop", "4"), collection("4", "Pool", "3"),
		mine, collection("6", "Drafts", "5"), collection("8", "Orphan", "99"),
	}})
	cases := map[string]struct {
		path     string
		personal bool
	}{
		"":     {"", false},
		"root": {"Our analytics", false},
		"1":    {"Finance", false},
		"2":    {"Finance / Revenue", false},
		"3":    {"Pool / Loop", false},
		"6":    {"Ada's / Drafts", true},
		"8":    {"Orphan", false},
		"77":   {"", false},
	}
	for id, want := range cases {
		if got := x.CollectionPath(id); got != want.path {
			t.Errorf("path of %q is %q, want %q", id, got, want.path)
		}
		if got := x.Personal(id); got != want.personal {
			t.Errorf("collection %q personal: %v", id, got)
		}
	}
}

func TestIndexFindsCardsWhateverTheirType(t *testing.T) {
	s := &catalog.Snapshot{Instance: catalog.Instance{URL: "https://bi.example.com/metabase/"}}
	s.Add(&catalog.Question{Common: catalog.Common{ID: "3", EntityID: "abcdefghijklmnopqrstu"}, Type: catalog.KindModel})
	s.Add(&catalog.Table{Common: catalog.Common{ID: "1/public/t"}, MetabaseID: 44, DatabaseID: "1", Columns: []*catalog.Column{{ID: "1/public/t/a", MetabaseID: 7}}})
	s.Add(&catalog.Alert{Common: catalog.Common{ID: "9"}})
	x := catalog.NewIndex(s)
	for _, kind := range []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric} {
		if a := x.Asset(catalog.Ref{Kind: kind, ID: "3"}); a == nil || a.Ref().Kind != catalog.KindModel {
			t.Errorf("%s:3 found %v", kind, a)
		}
	}
	if x.ByEntity("abcdefghijklmnopqrstu") == nil || x.TableByNumber(44) == nil || x.ColumnByNumber(7) == nil || x.Asset(catalog.Ref{Kind: catalog.KindAlert, ID: "9"}) == nil {
		t.Error("a look-up by entity id, number or kind found nothing")
	}
	if x.Asset(catalog.Ref{Kind: catalog.KindDashboard, ID: "3"}) != nil {
		t.Error("a model was found as a dashboard")
	}
	urls := map[catalog.Ref]string{
		{Kind: catalog.KindModel, ID: "3"}:             "https://bi.example.com/metabase/model/3",
		{Kind: catalog.KindColumn, ID: "1/public/t/a"}: "https://bi.example.com/metabase/question#?db=1&table=44",
		{Kind: catalog.KindAlert, ID: "9"}:             "",
	}
	for ref, want := range urls {
		if got := x.URL(ref); got != want {
			t.Errorf("address of %s is %q, want %q", ref, got, want)
		}
	}
}

func TestSnapshotSaysWhatItLacks(t *testing.T) {
	s := &catalog.Snapshot{Gaps: []catalog.Gap{
		{What: "transforms", Kind: catalog.KindTransform, Reason: "the server has none", Whole: true, Expected: true},
		{What: "tables of database 3", Kind: catalog.KindTable, Reason: "refused"},
	}}
	partial, reasons := s.Partial()
	if want := []string{"tables of database 3: refused"}; !partial || !slices.Equal(reasons, want) {
		t.Errorf("partial %v: %v", partial, reasons)
	}
	if reason, unread := s.Unread(catalog.KindTransform); !unread || reason != "the server has none" {
		t.Errorf("transforms: %q %v", reason, unread)
	}
	if _, unread := s.Unread(catalog.KindTable); unread {
		t.Error("one unread database makes all tables unread")
	}
}

func TestAllYieldsWhatAddTook(t *testing.T) {
	s := &catalog.Snapshot{}
	assets := []catalog.Asset{
		&catalog.Question{}, &catalog.Dashboard{}, &catalog.Collection{}, &catalog.Database{}, &catalog.Table{}, &catalog.Segment{},
		&catalog.Measure{}, &catalog.Snippet{}, &catalog.Subscription{}, &catalog.Alert{}, &catalog.Transform{}, &catalog.Action{},
		&catalog.Document{}, &catalog.Group{}, &catalog.Person{},
	}
	var want, got []catalog.Kind
	for _, a := range assets {
		s.Add(a)
		want = append(want, a.Ref().Kind)
	}
	for a := range s.All() {
		got = append(got, a.Ref().Kind)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-added +yielded):\n%s", diff)
	}
	for range s.All() {
		break // an early stop must not panic
	}
}

func TestReferencesAreReadAsTheyAreWritten(t *testing.T) {
	for _, want := range []catalog.Ref{{Kind: catalog.KindQuestion, ID: "12"}, {Kind: catalog.KindColumn, ID: "1/a:b/c/d"}} {
		if got, ok := catalog.ParseRef(want.String()); !ok || got != want {
			t.Errorf("%s is read as %v, %v", want, got, ok)
		}
	}
	for _, text := range []string{"", "question", "question:", ":12", "card:12", "Question:12"} {
		if got, ok := catalog.ParseRef(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
