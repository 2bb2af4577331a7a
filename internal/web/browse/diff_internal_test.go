package browse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/catalog"
)

func ops(lines []diffLine) []string {
	var out []string
	for _, l := range lines {
		out = append(out, map[string]string{"same": " ", "added": "+", "removed": "-", "gap": "@"}[l.Op]+l.Text)
	}
	return out
}

func TestDiffLines(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		want          []string
	}{
		"same":     {"a\nb", "a\nb", []string{"@2 lines unchanged"}},
		"added":    {"a\nc", "a\nb\nc", []string{" a", "+b", " c"}},
		"removed":  {"a\nb\nc", "a\nc", []string{" a", "-b", " c"}},
		"changed":  {"a\nb\nc", "a\nB\nc", []string{" a", "-b", "+B", " c"}},
		"from nil": {"", "a\nb", []string{"+a", "+b"}},
		"to nil":   {"a\nb", "", []string{"-a", "-b"}},
		"moved":    {"a\nb\nc", "b\nc\na", []string{"-a", " b", " c", "+a"}},
		"far":      {"1\n2\n3\n4\n5\n6\n7\n8\n9", "1\n2\n3\n4\n5\n6\n7\n8\nnine", []string{"@5 lines unchanged", " 6", " 7", " 8", "-9", "+nine"}},
	} {
		if diff := cmp.Diff(tc.want, ops(diffLines(tc.before, tc.after))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	var big strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&big, "%d\n", i)
	}
	if n := len(diffLines(big.String(), "x")); n != 3002 {
		t.Errorf("a huge text gives %d lines", n)
	}
}

func TestCompareListsWhatAnEditChanged(t *testing.T) {
	before := &catalog.Dashboard{
		Common: catalog.Common{ID: "1", Name: "Old"}, CollectionID: "5",
		Cards: []catalog.Dashcard{{ID: "a", QuestionID: "10", Width: 4}, {ID: "b", QuestionID: "11", Width: 4}},
	}
	after := &catalog.Dashboard{
		Common: catalog.Common{ID: "1", Name: "New", Description: "one line"}, CollectionID: "5",
		Cards: []catalog.Dashcard{{ID: "c", QuestionID: "12", Width: 4}, {ID: "b", QuestionID: "11", Width: 8}},
	}
	fields, texts := compare(before, after)
	if len(texts) != 0 {
		t.Errorf("texts %v", texts)
	}
	var got []string
	for _, f := range fields {
		if strings.HasSuffix(f.Name, "› row") || strings.HasSuffix(f.Name, "› col") || strings.HasSuffix(f.Name, "› height") {
			continue
		}
		got = append(got, f.What+" "+f.Name+": "+f.Before+" → "+f.After)
	}
	want := []string{
		"removed cards › a › id: a → ", "removed cards › a › question id: 10 → ", "removed cards › a › width: 4 → ",
		"changed cards › b › width: 4 → 8",
		"added cards › c › id:  → c", "added cards › c › question id:  → 12", "added cards › c › width:  → 4",
		"added description:  → one line", "changed name: Old → New",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if f, x := compare(before, before); len(f)+len(x) != 0 {
		t.Errorf("nothing changed: %v %v", f, x)
	}
}

func TestVersions(t *testing.T) {
	now := &catalog.Question{Common: catalog.Common{ID: "1", Name: "Now"}}
	old := &catalog.Question{Common: catalog.Common{ID: "1", Name: "Old"}}
	got := versionsOf([]Version{{Asset: nil, FromSeq: 5}, {Asset: now, FromSeq: 3, ToSeq: 4}, {Asset: old, FromSeq: 1, ToSeq: 2}})
	if len(got) != 3 || !got[0].Gone || len(got[0].Fields) != 0 || len(got[1].Fields) != 1 || !got[2].First || got[1].First {
		t.Errorf("%+v", got)
	}
}

func TestCollectionCyclesEnd(t *testing.T) {
	s := &catalog.Snapshot{Collections: []*catalog.Collection{
		{Common: catalog.Common{ID: "1", Name: "A"}, ParentID: "2"},
		{Common: catalog.Common{ID: "2", Name: "B"}, ParentID: "1"},
		{Common: catalog.Common{ID: "3", Name: "Lost"}, ParentID: "99"},
	}}
	x := catalog.NewIndex(s)
	href := func(p place) string { return p.String() }
	tree := collectionTree(x, href, place{"collection", "1"})
	if len(tree) != 1 || len(tree[0].Children) != 1 || tree[0].Children[0].Title != "Lost" {
		t.Errorf("tree %+v", tree)
	}
	if n := len(crumbs(x, "1", href)); n > 3 {
		t.Errorf("%d crumbs in a circle", n)
	}
}

func TestAxisTopsAreRound(t *testing.T) {
	for in, want := range map[float64]float64{0: 4, 3: 4, 5: 8, 17: 20, 99: 200, 4812: 8000} {
		if got := nice(in); got != want {
			t.Errorf("nice(%v) = %v, want %v", in, got, want)
		}
	}
}
