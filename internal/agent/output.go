package agent

import (
	"time"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/store"
)

// Name names an agent.
type Name string

// The agents. Chat is not among them: it is a conversation, with the same tools.
const (
	Briefing   Name = "briefing"   // what a scan brought, in three sentences
	Explainer  Name = "explainer"  // what a question, model, metric or dashboard shows
	Duplicates Name = "duplicates" // which of several alike to keep, and what differs
	Metrics    Name = "metrics"    // which definition of a figure to go by
	SQLReview  Name = "sql_review" // what is wrong with a query, and a better one
	Exposure   Name = "exposure"   // what content that leaves Metabase gives away
	SQLWriter  Name = "sql_writer" // a query for a question in words
)

// Names lists the agents.
func Names() []Name {
	return []Name{Briefing, Explainer, Duplicates, Metrics, SQLReview, Exposure, SQLWriter}
}

// Output is what an agent said about a subject, checked and in plain words: its
// placeholders are turned back. Exactly one of the pointers is set. Its texts are
// a model's and untrusted.
type Output struct {
	Agent   Name   `json:"-"`
	Subject string `json:"-"` // scan, question:12, cluster:<id>, figure:<id>

	Briefing    *BriefingText    `json:"briefing,omitempty"`
	Explanation *Explanation     `json:"explanation,omitempty"`
	Duplicates  *DuplicateAdvice `json:"duplicates,omitempty"`
	Metrics     *MetricAdvice    `json:"metrics,omitempty"`
	Review      *Review          `json:"review,omitempty"`
	Exposure    *ExposureAdvice  `json:"exposure,omitempty"`
	Draft       *Draft           `json:"draft,omitempty"`

	// Dropped says what of the model's answer did not hold and was left out.
	Dropped []string `json:"dropped,omitempty"`
	// Rests are the assets that the model was told of: who may not see one of them
	// is not shown the output.
	Rests []catalog.Ref `json:"rests,omitempty"`
	Whole bool          `json:"whole,omitempty"` // it rests on figures of the whole connection

	Provider      string         `json:"-"`
	Model         string         `json:"-"`
	PromptVersion string         `json:"-"`
	At            time.Time      `json:"-"`
	Tokens        store.AITokens `json:"-"`
	Cost          *llm.Money     `json:"-"` // nil = the price is not known
	Duration      time.Duration  `json:"-"`
	Calls         []string       `json:"-"` // in the books
	// Exchanges are the rows of the egress ledger with what was sent.
	Exchanges []string `json:"exchanges,omitempty"`
	// Stale is set where the content or the prompt has changed since.
	Stale bool `json:"-"`
	// Transcript is what happened, where the output was just made; it is not stored.
	Transcript Transcript `json:"-"`
}

// BriefingText is a scan's briefing.
type BriefingText struct {
	Sentences [][]Piece `json:"sentences"` // at most three
}

// Explanation says what content shows.
type Explanation struct {
	Summary []Segment   `json:"summary"`
	Details [][]Segment `json:"details,omitempty"`
	Caveats [][]Segment `json:"caveats,omitempty"`
}

// DuplicateAdvice says which of several alike to keep.
type DuplicateAdvice struct {
	Keep        catalog.Ref  `json:"keep"`
	Why         []Segment    `json:"why"`
	Differences []MemberNote `json:"differences,omitempty"`
	Steps       [][]Segment  `json:"steps,omitempty"`
	Agrees      bool         `json:"agrees"` // with the rules
}

// MemberNote says how one of several differs.
type MemberNote struct {
	Ref  catalog.Ref `json:"ref"`
	Text []Segment   `json:"text"`
}

// MetricAdvice says which definition of a figure to go by.
type MetricAdvice struct {
	Definition  string      `json:"definition"` // id
	Text        string      `json:"text"`       // of it, in words
	Why         []Segment   `json:"why"`
	Differences [][]Segment `json:"differences,omitempty"`
	Ask         []Segment   `json:"ask,omitempty"` // what to find out before deciding
}

// Suggestion is SQL that a model wrote, with what reading it tells. It was never
// run.
type Suggestion struct {
	SQL string `json:"sql"`
	tools.Verdict
	// Equivalent says that it means the same as the query it is to replace, for
	// certain: their normal forms are equal. Otherwise it may, or may not.
	Equivalent bool `json:"equivalent"`
}

// Review says what is wrong with a query.
type Review struct {
	Fine       bool        `json:"fine"`
	Remarks    [][]Segment `json:"remarks,omitempty"`
	Suggestion *Suggestion `json:"suggestion,omitempty"`
}

// ExposureAdvice says what content that leaves Metabase gives away.
type ExposureAdvice struct {
	Risk    string      `json:"risk"` // none, low, medium, high
	Reasons [][]Segment `json:"reasons"`
	Steps   [][]Segment `json:"steps,omitempty"`
}

// Draft is a query for a question in words.
type Draft struct {
	Suggestion
	Explanation []Segment   `json:"explanation"`
	Assumptions [][]Segment `json:"assumptions,omitempty"`
}
