package use

import (
	"fmt"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
)

// inUse reports whether something other than people's visits keeps a question,
// model or metric in use.
func inUse(p *check.Pass, a catalog.Asset) bool {
	if _, outside := p.UsedOutside(a); outside {
		return true
	}
	return len(p.Users(a.Ref())) > 0
}

// evidence is what a verdict rests on.
func evidence(p *check.Pass, a catalog.Asset, v check.Verdict) finding.Evidence {
	e := finding.Evidence{
		Numbers: map[string]float64{"days_idle": float64(v.Days), "views": float64(v.Views)},
		Texts:   map[string]string{"since": v.Since.UTC().Format(time.DateOnly)},
	}
	if v.Rhythm != "" {
		e.Texts["rhythm"] = v.Rhythm
	}
	if links := p.Clicks(a.Ref()); len(links) > 0 {
		e.Numbers["links"] = float64(len(links))
		e.Related = links
	}
	return e
}

// neverText says for how long something has not been used at all.
func neverText(v check.Verdict, verb string) string {
	return fmt.Sprintf("Has not been %s at all in the %s since %s.", verb, check.Count(v.Days, "day", "days"), v.Since.UTC().Format(time.DateOnly))
}

// idleText says when something was used last.
func idleText(p *check.Pass, a catalog.Asset, v check.Verdict, verb string) string {
	if u := p.Use(a); u.Last.IsZero() {
		return fmt.Sprintf("Was last %s before %s, more than %s ago.", verb, v.Since.UTC().Format(time.DateOnly), check.Count(v.Days, "day", "days"))
	}
	return fmt.Sprintf("Was last %s on %s, %s ago.", verb, v.Since.UTC().Format(time.DateOnly), check.Count(v.Days, "day", "days"))
}
