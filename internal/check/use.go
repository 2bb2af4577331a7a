package check

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

// Verdict is a judgement about whether a question or dashboard is still used,
// from the server's own counters.
type Verdict struct {
	Idle    bool      // not used for longer than asked
	Never   bool      // not used since Since, as far as the server knows
	Unknown string    // why nothing can be said; empty when something can
	Since   time.Time // of the last use, or from when on a use would have been noticed
	Days    int       // whole days since then
	Views   int64
	Rhythm  string // "yearly" or "quarterly" when the time asked for was stretched
}

// Judge says whether an asset has been idle for longer than the given time.
// Content with a yearly or quarterly rhythm in its name or place gets more time.
// It is unknown, not idle, when the counters are younger than the time asked
// for, or when runs of our own blur them.
func (p *Pass) Judge(a catalog.Asset, after time.Duration) Verdict {
	return p.JudgeUse(a, p.Use(a), after)
}

// JudgeUse is [Pass.Judge] for a check that has better evidence of its own.
func (p *Pass) JudgeUse(a catalog.Asset, u Use, after time.Duration) Verdict {
	var v Verdict
	v.Views = u.Views
	switch {
	case !u.Known:
		v.Unknown = "The server told nothing about its use."
		return v
	case u.Contaminated:
		v.Unknown = "Queries that MetaLens ran itself blur its last use."
		return v
	case !u.Timed && !u.Never:
		v.Unknown = "The server counts its views and does not say when the last one was."
		return v
	}
	v.Never = u.Never
	v.Since = u.Since
	if !u.Last.IsZero() {
		v.Since = u.Last
	}
	if v.Since.IsZero() && p.Observed.Scans > 0 {
		v.Since = p.Observed.Since // we have seen it unused since then
	}
	if v.Since.IsZero() {
		v.Unknown = "The server does not say since when it counts."
		return v
	}
	v.Days = int(p.Now.Sub(v.Since) / day)
	if p.Now.Sub(created(a)) <= after || !u.Last.IsZero() && p.Now.Sub(u.Last) <= after {
		return v // in use or young, whatever its rhythm
	}
	v.Rhythm, after = p.stretch(a, after)
	v.Idle = p.Now.Sub(v.Since) > after
	if !v.Idle && u.Last.IsZero() && p.Now.Sub(created(a)) > after {
		v.Unknown = fmt.Sprintf("The server has counted its use for %s only; this takes %s.",
			Count(v.Days, "day", "days"), Count(int(after/day), "day", "days"))
	}
	return v
}

func created(a catalog.Asset) time.Time {
	switch a := a.(type) {
	case *catalog.Question:
		return a.CreatedAt
	case *catalog.Dashboard:
		return a.CreatedAt
	}
	return time.Time{}
}

// Words that announce a rhythm, in the languages Metabase is most used in.
var (
	yearly = regexp.MustCompile(`(?i)(^|[^\pL])(annual(ly)?|yearly|year[ -]?end|year[ -]in[ -]review|eoy|fy ?\d{2,4}|fiscal year|tax return|` +
		`jährlich\pL*|jahres\pL*|geschäftsjahr|annuel\pL*|exercice|an[u]al\pL*|exercício|annual[ei]|jaarlijks\pL*|jaar\pL*|årlig\pL*|års\pL*|roczn\pL*|ежегодн\pL*|годов\pL*|年次|年度)([^\pL]|$)`)
	quarterly = regexp.MustCompile(`(?i)(^|[^\pL])(quarter(ly|s)?|q[1-4]|qbr|quartal\pL*|trimestr\pL*|trimestral\pL*|kwartaal\pL*|kvartal\pL*|kwarta\pL*|квартал\pL*|四半期|季度)([^\pL]|$)`)
)

// A rhythm's allowance is the period with a margin for being late.
const (
	yearlyAllowance    = 400 * day
	quarterlyAllowance = 120 * day
)

// stretch gives content that is only looked at once a year or quarter enough
// time to be looked at again.
func (p *Pass) stretch(a catalog.Asset, after time.Duration) (rhythm string, stretched time.Duration) {
	text := a.Title() + "\n" + p.Index.CollectionPath(a.InCollection())
	switch {
	case yearly.MatchString(text) && after < yearlyAllowance:
		return "yearly", yearlyAllowance
	case quarterly.MatchString(text) && after < quarterlyAllowance:
		return "quarterly", quarterlyAllowance
	}
	return "", after
}

// Undecided gathers what a check could not judge, to say it once where it is
// true of everything.
type Undecided struct {
	p       *Pass
	decided bool
	list    []catalog.Asset
	reasons map[string]int
	byAsset map[catalog.Ref]string
}

// Undecided starts an empty gathering.
func (p *Pass) Undecided() *Undecided {
	return &Undecided{p: p, reasons: map[string]int{}, byAsset: map[catalog.Ref]string{}}
}

// Add notes that an asset could not be judged.
func (u *Undecided) Add(a catalog.Asset, reason string) {
	u.list = append(u.list, a)
	u.reasons[reason]++
	u.byAsset[a.Ref()] = reason
}

// Decided notes that some asset could be judged.
func (u *Undecided) Decided() { u.decided = true }

// Report writes the gaps: one for the whole check when nothing could be judged
// and the reason is one, else one per asset.
func (u *Undecided) Report() {
	if !u.decided && len(u.list) > 1 && len(u.reasons) == 1 {
		for reason := range u.reasons {
			u.p.NotEvaluated(catalog.Ref{}, strings.Replace(reason, " its ", " their ", 1))
		}
		return
	}
	for _, a := range u.list {
		u.p.NotEvaluated(a.Ref(), u.byAsset[a.Ref()])
	}
}
