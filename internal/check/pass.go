package check

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// Pass is what one check sees in one run. Everything in it is read-only and
// shared with other checks. A Pass belongs to one goroutine.
type Pass struct {
	Snapshot  *catalog.Snapshot
	Index     *catalog.Index
	Graph     *lineage.Graph
	Clusters  []similar.Cluster  // of every kind
	Metrics   []similar.Metric   // figures that content names
	Conflicts []similar.Conflict // metrics that disagree
	Now       time.Time
	Observed  Observed

	*Facts

	meta         Meta
	settings     Settings
	subjects     []catalog.Asset
	findings     []finding.Finding
	notEvaluated []finding.NotEvaluated
}

// Diagnostic is what a check has to say about an asset. Zero severity,
// confidence and remediation are those of the check.
type Diagnostic struct {
	Message  string // one sentence about the asset; names in it go through [Pass.Name]
	Evidence finding.Evidence
	// Key tells several findings of the check about one asset apart. It is part
	// of the fingerprint: ids and entity ids ([Pass.Key]), never names or numbers
	// that move.
	Key         []string
	Severity    finding.Severity
	Confidence  finding.Confidence
	Remediation string
}

// Report records a finding about an asset.
func (p *Pass) Report(a catalog.Asset, d Diagnostic) {
	f := finding.Finding{
		Check:       p.meta.ID,
		Fingerprint: finding.Fingerprint(p.meta.ID, a.Ref(), a.Entity(), d.Key...),
		Severity:    d.Severity,
		Confidence:  d.Confidence,
		Asset:       a.Ref(),
		Message:     d.Message,
		Evidence:    d.Evidence,
		Remediation: d.Remediation,
	}
	if f.Severity == "" {
		f.Severity = p.meta.Severity
	}
	if f.Confidence == "" {
		f.Confidence = p.meta.Confidence
	}
	if f.Remediation == "" {
		f.Remediation = p.meta.Remediation
	}
	p.findings = append(p.findings, f)
}

// NotEvaluated records that the check could not judge an asset, or nothing at
// all when the reference is zero. The reason is a sentence for people.
func (p *Pass) NotEvaluated(asset catalog.Ref, reason string) {
	p.notEvaluated = append(p.notEvaluated, finding.NotEvaluated{Check: p.meta.ID, Asset: asset, Reason: reason})
}

// Subjects yields the assets the check judges: those of its kinds that are live
// and in scope (see [Facts.InScope]), in stored order.
func (p *Pass) Subjects() iter.Seq[catalog.Asset] {
	return func(yield func(catalog.Asset) bool) {
		for _, a := range p.subjects {
			if !yield(a) {
				return
			}
		}
	}
}

// Questions yields the subjects that are questions, models or metrics.
func (p *Pass) Questions() iter.Seq[*catalog.Question] { return only[*catalog.Question](p.subjects) }

// Dashboards yields the subjects that are dashboards.
func (p *Pass) Dashboards() iter.Seq[*catalog.Dashboard] {
	return only[*catalog.Dashboard](p.subjects)
}

// Collections yields the subjects that are collections.
func (p *Pass) Collections() iter.Seq[*catalog.Collection] {
	return only[*catalog.Collection](p.subjects)
}

func only[A catalog.Asset](list []catalog.Asset) iter.Seq[A] {
	return func(yield func(A) bool) {
		for _, a := range list {
			if a, ok := a.(A); ok && !yield(a) {
				return
			}
		}
	}
}

// Int is the value of a whole-number parameter.
func (p *Pass) Int(name string) int {
	n, err := strconv.Atoi(p.settings.text(p.meta, name))
	if err != nil {
		panic(fmt.Sprintf("check %s: parameter %s is no number", p.meta.ID, name))
	}
	return n
}

// Days is a whole-number parameter as a span of days.
func (p *Pass) Days(name string) time.Duration { return time.Duration(p.Int(name)) * day }

// Bool is the value of a switch.
func (p *Pass) Bool(name string) bool { return p.settings.text(p.meta, name) == "true" }

// List is the value of a list parameter.
func (p *Pass) List(name string) []string {
	var out []string
	for part := range strings.SplitSeq(p.settings.text(p.meta, name), ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Key is an asset's part of a finding's key: its entity id where it has one,
// else kind and id.
func (p *Pass) Key(r catalog.Ref) string {
	if a := p.Index.Asset(r); a != nil && a.Entity() != "" {
		return a.Entity()
	}
	if r.Kind.IsCard() {
		return "card:" + r.ID
	}
	return r.String()
}

// Name is an asset's name as messages quote it: without control and direction
// characters and not longer than a line; kind and id where it has no name.
func (p *Pass) Name(r catalog.Ref) string {
	if a := p.Index.Asset(r); a != nil {
		if name := Clean(a.Title()); name != "" {
			return `"` + name + `"`
		}
	}
	return string(r.Kind) + " " + r.ID
}

const day = 24 * time.Hour

// Age is how many whole days ago a time was.
func (p *Pass) Age(t time.Time) int { return int(p.Now.Sub(t) / day) }
