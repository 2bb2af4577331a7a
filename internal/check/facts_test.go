package check_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/lineage"
)

const day = 24 * time.Hour

// usage adds a question of the given age with its counters.
func usage(s *catalog.Snapshot, id string, age time.Duration, used *time.Time, views int64) *catalog.Question {
	q := &catalog.Question{Common: catalog.Common{ID: id, Name: id, CreatedAt: now().Add(-age)}, Type: catalog.KindQuestion, CollectionID: "root"}
	s.Add(q)
	s.Usage[q.Ref()] = catalog.Usage{Views: &views, LastUsedAt: used}
	return q
}

func ago(d time.Duration) *time.Time {
	at := now().Add(-d)
	return &at
}

func facts(t *testing.T, s *catalog.Snapshot, o check.Observed) *check.Facts {
	t.Helper()
	index := catalog.NewIndex(s)
	return check.NewFacts(index, lineage.Build(t.Context(), index), o)
}

func TestUse(t *testing.T) {
	migrated := ago(100 * day)
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	cases := []struct {
		name  string
		asset *catalog.Question
		want  check.Use
	}{
		{
			"never since it was saved", usage(s, "1", 300*day, ago(300*day), 0),
			check.Use{Known: true, Timed: true, Counted: true, Never: true, Since: now().Add(-300 * day)},
		},
		{
			"used", usage(s, "2", 300*day, ago(2*day), 9),
			check.Use{Known: true, Timed: true, Counted: true, Views: 9, Last: now().Add(-2 * day), Since: now().Add(-300 * day)},
		},
		{
			"looked at by its author on saving", usage(s, "3", 300*day, ago(300*day-30*time.Second), 1),
			check.Use{Known: true, Timed: true, Counted: true, Views: 1, Last: now().Add(-300*day + 30*time.Second), Since: now().Add(-300 * day)},
		},
		{
			"the migration's default", usage(s, "4", 300*day, migrated, 0),
			check.Use{Known: true, Timed: true, Counted: true, Never: true, Since: *migrated},
		},
		{
			"the migration's default with views from before", usage(s, "5", 300*day, migrated, 7),
			check.Use{Known: true, Timed: true, Counted: true, Views: 7, Since: *migrated},
		},
		{
			"the same, younger than its own migration", usage(s, "6", 50*day, migrated, 0),
			// A row cannot be older than its default: the time is trusted as it stands.
			check.Use{Known: true, Timed: true, Counted: true, Never: true, Since: now().Add(-50 * day)},
		},
		{
			"negative views after our own reads", usage(s, "7", 300*day, ago(day), -3),
			check.Use{Known: true, Timed: true, Counted: true, Last: now().Add(-day), Since: now().Add(-300 * day)},
		},
		{
			"counted without a time", usage(s, "8", 300*day, nil, 4),
			check.Use{Known: true, Counted: true, Views: 4, Since: now().Add(-300 * day)},
		},
	}
	usage(s, "9", 300*day, migrated, 0)
	fine := migrated.Add(-day + 123456*time.Microsecond)
	cases = append(cases, struct {
		name  string
		asset *catalog.Question
		want  check.Use
	}{
		"a default to the microsecond, all of whose rows were viewed before", usage(s, "30", 300*day, &fine, 8),
		check.Use{Known: true, Timed: true, Counted: true, Views: 8, Since: fine},
	})
	usage(s, "31", 300*day, &fine, 9)
	usage(s, "32", 300*day, &fine, 2)
	for i := range 5 { // opened at one time: no default
		usage(s, fmt.Sprint(20+i), 300*day, ago(2*day), 3)
	}
	f := facts(t, s, check.Observed{})
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.Use(tt.asset); got != tt.want {
				t.Errorf("\n got %+v\nwant %+v", got, tt.want)
			}
		})
	}
	if got := f.Use(&catalog.Dashboard{Common: catalog.Common{ID: "1"}}); got.Known {
		t.Errorf("a dashboard without a record: %+v", got)
	}
}

// TestSharedTimesOfALargeInstance: a few questions that ran in one instant are
// no migration.
func TestSharedTimesOfALargeInstance(t *testing.T) {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	for i := range 400 {
		usage(s, fmt.Sprint(i), 900*day, ago(time.Duration(i+1)*time.Hour), 5)
	}
	same := ago(30 * day)
	var q *catalog.Question
	for i := range 3 {
		q = usage(s, fmt.Sprint(1000+i), 900*day, same, 0)
	}
	if got := facts(t, s, check.Observed{}).Use(q); !got.Last.Equal(*same) {
		t.Errorf("three of 403 are taken for a default: %+v", got)
	}
}

func TestCountersSinceIsAFloor(t *testing.T) {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	q := usage(s, "1", 900*day, nil, 0)
	if got := facts(t, s, check.Observed{CountersSince: *ago(40 * day)}).Use(q); !got.Never || !got.Since.Equal(*ago(40 * day)) {
		t.Errorf("%+v", got)
	}
}

func TestScope(t *testing.T) {
	s := &catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}
	for _, c := range []*catalog.Collection{
		{Common: catalog.Common{ID: "1"}, ParentID: "root"},
		{Common: catalog.Common{ID: "2"}, ParentID: "root", PersonalOwnerID: "9"},
		{Common: catalog.Common{ID: "3"}, ParentID: "2"},
		{Common: catalog.Common{ID: "4", Archived: true}, ParentID: "root"},
		{Common: catalog.Common{ID: "5"}, ParentID: "4"},
		{Common: catalog.Common{ID: "6"}, ParentID: "root", Type: "instance-analytics"},
		{Common: catalog.Common{ID: "7"}, ParentID: "8"}, // a circle
		{Common: catalog.Common{ID: "8"}, ParentID: "7"},
	} {
		s.Add(c)
	}
	s.Add(&catalog.Dashboard{Common: catalog.Common{ID: "1"}, CollectionID: "2"})
	f := facts(t, s, check.Observed{})
	tests := []struct {
		collection       string
		shared, personal bool
	}{
		{"root", true, true},
		{"1", true, true},
		{"2", false, true},
		{"3", false, true},
		{"4", false, false},
		{"5", false, false},
		{"6", false, false},
		{"7", true, true},
		{"404", true, true}, // not read: nothing speaks against it
	}
	for _, tt := range tests {
		q := &catalog.Question{Common: catalog.Common{ID: "1"}, CollectionID: tt.collection}
		if got := f.InScope(q, false); got != tt.shared {
			t.Errorf("collection %s: in scope %v, want %v", tt.collection, got, tt.shared)
		}
		if got := f.InScope(q, true); got != tt.personal {
			t.Errorf("collection %s: in scope with personal %v, want %v", tt.collection, got, tt.personal)
		}
	}
	inside := &catalog.Question{Common: catalog.Common{ID: "1"}, CollectionID: "root", DashboardID: "1"}
	if f.InScope(inside, false) {
		t.Error("a question inside a personal dashboard is personal")
	}
	if f.InScope(&catalog.Question{Common: catalog.Common{ID: "1"}, Unreadable: true}, true) {
		t.Error("a stand-in is judged")
	}
}
