package chat

import (
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/web/ui"
)

type chatRow struct {
	ID     string
	Title  string
	At     time.Time
	Shared bool
	Mine   bool
}

// view is a page of chats.
type view struct {
	Base   string
	Root   string // of the chats
	Path   string // of the thread
	Conn   string // name of the connection
	Now    time.Time
	Chats  []chatRow
	Total  int
	Older  string
	Open   string // id of the chat that is shown
	Admin  bool
	Editor bool
	// Why says why no model answers; empty where one does.
	Why, WhyHint string

	Thread      *chat.Thread
	Live        bool
	Question    string // to be put into the form
	About       string
	AboutName   string
	Problem     string
	ProblemHint string
}

// busy reports whether a question can be asked now.
func (v view) busy() bool { return v.Live }

// starters are questions for an empty chat.
func starters(about bool) []string {
	if about {
		return []string{"What is this, and can it be trusted?", "What breaks if I change it?", "Is there something that does the same?"}
	}
	return []string{
		"What do we have on revenue, and which of it can be trusted?",
		"What should we clean up first, and why?",
		"Which dashboards are used most, and which have problems?",
	}
}

// foot is the line below an answer.
func foot(b chat.Body) string {
	var parts []string
	if b.Model != "" {
		parts = append(parts, ui.Clip(ui.Clean(b.Model), 60))
	}
	if b.Tokens > 0 {
		parts = append(parts, ui.Number(int(b.Tokens))+" tokens")
	}
	if b.Priced && b.Tokens > 0 {
		parts = append(parts, ui.Dollars(int64(b.Money)))
	}
	if !b.Ended.IsZero() && b.Ended.After(b.Began) {
		parts = append(parts, fmt.Sprintf("%.1f s", b.Ended.Sub(b.Began).Seconds()))
	}
	return strings.Join(parts, " · ")
}

// sentLabel says in a few words what was sent for an answer.
func sentLabel(b chat.Body) string {
	text := "What was sent (" + ui.Count(len(b.Exchanges), "request", "requests")
	if b.Columns > 0 {
		text += ", " + ui.Count(b.Columns, "column masked", "columns masked")
	}
	if b.Values > 0 {
		text += ", " + ui.Count(b.Values, "value masked", "values masked")
	}
	return text + ")"
}

// lookedAt is the summary of an answer's steps.
func lookedAt(b chat.Body) string {
	for _, s := range b.Steps {
		if s.Live {
			return ui.Clip(ui.Clean(s.Words), 80) + " …"
		}
	}
	return "Looked at " + ui.Count(len(b.Steps), "thing", "things")
}

type sentRow struct {
	At    time.Time
	Host  string
	Size  int64
	KeyID string
	Href  string
	Text  string
}

type sentView struct {
	Base    string
	Back    string
	Now     time.Time
	Rows    []sentRow
	Missing int // requests whose content is not kept any more
	Body    chat.Body
}

// foundText says what the search has in place of an answer.
func foundText(b chat.Body) string {
	if len(b.Hits) == 0 {
		return "No model answered this, and the search found nothing under these words."
	}
	return "No model answered this. The search has " + ui.Count(b.Total, "result", "results") + " for its words:"
}
