package ui_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/web/ui"
)

func TestNumbersAndUnits(t *testing.T) {
	for in, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -4200: "−4,200"} {
		if got := ui.Number(in); got != want {
			t.Errorf("Number(%d) = %q", in, got)
		}
	}
	for in, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1 kB", 1500: "1.5 kB", 3_100_000: "3.1 MB", 42_000_000: "42 MB", 2_000_000_000: "2 GB"} {
		if got := ui.Bytes(in); got != want {
			t.Errorf("Bytes(%d) = %q", in, got)
		}
	}
	for in, want := range map[time.Duration]string{
		-time.Second: "0 s", 340 * time.Millisecond: "340 ms", 1500 * time.Millisecond: "1.5 s", 42 * time.Second: "42 s", 134 * time.Second: "2 min 14 s", time.Hour: "1 h", 26 * time.Hour: "1 d 2 h",
	} {
		if got := ui.Duration(in); got != want {
			t.Errorf("Duration(%v) = %q", in, got)
		}
	}
	for in, want := range map[float64]string{3: "3", 12345: "12,345", 0.126: "0.13", -1.5: "-1.5"} {
		if got := ui.Decimal(in); got != want {
			t.Errorf("Decimal(%v) = %q", in, got)
		}
	}
	if ui.Count(1, "view", "views") != "1 view" || ui.Count(1200, "view", "views") != "1,200 views" {
		t.Error("Count")
	}
}

func TestTimes(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for ago, want := range map[time.Duration]string{
		0: "just now", 30 * time.Second: "just now", time.Minute: "1 minute ago", 59 * time.Minute: "59 minutes ago", 2 * time.Hour: "2 hours ago",
		47 * time.Hour: "2 days ago", 45 * 24 * time.Hour: "45 days ago", 100 * 24 * time.Hour: "3 months ago", 900 * 24 * time.Hour: "2 years ago",
		-10 * time.Second: "now", -time.Hour: "in 60 minutes", -30 * 24 * time.Hour: "in 30 days",
	} {
		if got := ui.Ago(now.Add(-ago), now); got != want {
			t.Errorf("Ago(%v) = %q, want %q", ago, got, want)
		}
	}
	if ui.Ago(time.Time{}, now) != "never" {
		t.Error("the zero time")
	}
}

func TestPages(t *testing.T) {
	for name, tc := range map[string]struct {
		query          string
		shown, total   int
		text           string
		previous, next string
	}{
		"all":         {"", 3, 3, "3 rows", "", ""},
		"first":       {"q=a", 50, 120, "1 to 50 of 120 rows", "", "/x?page=2&q=a"},
		"middle":      {"page=2&q=a", 50, 120, "51 to 100 of 120 rows", "/x?q=a", "/x?page=3&q=a"},
		"last":        {"page=3", 20, 120, "101 to 120 of 120 rows", "/x?page=2", ""},
		"one":         {"", 1, 1, "1 row", "", ""},
		"a wild page": {"page=-7", 50, 51, "1 to 50 of 51 rows", "", "/x?page=2"},
	} {
		q, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		p := ui.Pages("/x", q, tc.shown, tc.total, "row", "rows")
		if p.Text() != tc.text || p.Previous != tc.previous || p.Next != tc.next {
			t.Errorf("%s: %q, previous %q, next %q", name, p.Text(), p.Previous, p.Next)
		}
	}
}
