package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/report"
	"github.com/metalens/metalens/internal/store"
)

// exported is a chat in its open format, documented in docs/guide/chat.md.
type exported struct {
	SchemaVersion int               `json:"schema_version"`
	ID            string            `json:"id"`
	Title         string            `json:"title"`
	About         string            `json:"about,omitempty"`
	CreatedAt     time.Time         `json:"created_at"`
	Messages      []exportedMessage `json:"messages"`
}

type exportedMessage struct {
	At        time.Time `json:"at"`
	Role      string    `json:"role"`
	State     State     `json:"state,omitempty"`
	Text      string    `json:"text,omitempty"`
	Note      string    `json:"note,omitempty"`
	Looked    []string  `json:"looked_at,omitempty"`
	Cites     []string  `json:"cites,omitempty"`   // that exist and were visible
	Unknown   []string  `json:"unknown,omitempty"` // citations that lead nowhere
	Found     []Hit     `json:"found,omitempty"`
	Model     string    `json:"model,omitempty"`
	Tokens    int64     `json:"tokens,omitempty"`
	Exchanges []string  `json:"exchanges,omitempty"` // of the egress ledger
}

func export(t Thread) exported {
	out := exported{SchemaVersion: 1, ID: t.ID, Title: t.Title, About: t.About, CreatedAt: t.CreatedAt, Messages: []exportedMessage{}}
	for _, m := range t.Messages {
		e := exportedMessage{At: m.At, Role: roleAssistant, State: m.State, Text: m.Text}
		if m.User {
			e.Role, e.State = roleUser, ""
		}
		if m.Hidden {
			e.Note = hiddenNote
			out.Messages = append(out.Messages, e)
			continue
		}
		e.Note, e.Model, e.Tokens, e.Exchanges, e.Found = m.Body.Note, m.Body.Model, m.Body.Tokens, m.Body.Exchanges, m.Body.Hits
		for _, s := range m.Body.Steps {
			e.Looked = append(e.Looked, s.Words)
		}
		for _, c := range m.Cites {
			if c.OK {
				e.Cites = append(e.Cites, c.Text)
			} else {
				e.Unknown = append(e.Unknown, c.Text)
			}
		}
		out.Messages = append(out.Messages, e)
	}
	return out
}

const hiddenNote = "This answer was made from content that you may not see."

// JSON exports a chat as the reader may see it.
func (s *Service) JSON(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) ([]byte, error) {
	t, err := s.Thread(ctx, org, conn, id)
	if err != nil {
		return nil, err
	}
	data, err := json.MarshalIndent(export(t), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("export a chat: %w", err)
	}
	return append(data, '\n'), nil
}

// Markdown exports a chat as the reader may see it. What people and models wrote
// is quoted, so that it cannot pass for a part of the document.
func (s *Service) Markdown(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) ([]byte, error) {
	t, err := s.Thread(ctx, org, conn, id)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\nA chat in MetaLens, begun %s.\n", report.MarkdownText(t.Title), t.CreatedAt.UTC().Format(time.RFC3339))
	for _, m := range t.Messages {
		who := "Answer"
		if m.User {
			who = "Question"
		}
		fmt.Fprintf(&b, "\n## %s, %s\n\n", who, m.At.UTC().Format(time.RFC3339))
		switch {
		case m.Hidden:
			b.WriteString(hiddenNote + "\n")
			continue
		case m.Text != "":
			b.WriteString(quoted(struck(m)))
		case m.Body.Problem != nil:
			b.WriteString(quoted(m.Body.Problem.Text))
		}
		for _, s := range m.Body.Steps {
			b.WriteString("- " + report.MarkdownText(s.Words) + "\n")
		}
		for _, h := range m.Body.Hits {
			b.WriteString("- " + report.MarkdownText(h.Name) + " (" + h.Ref.String() + ")\n")
		}
		if m.Body.Note != "" {
			b.WriteString("\n" + report.MarkdownText(m.Body.Note) + "\n")
		}
		if m.Body.Model != "" {
			fmt.Fprintf(&b, "\n%s, %d tokens, %d requests in the egress ledger\n", report.MarkdownText(m.Body.Model), m.Body.Tokens, len(m.Body.Exchanges))
		}
	}
	return []byte(b.String()), nil
}

// struck writes an answer with the citations that lead nowhere struck out.
func struck(m Message) string {
	var b strings.Builder
	last := 0
	for _, c := range m.Cites {
		b.WriteString(m.Text[last:c.Start])
		last = c.End
		if c.OK {
			b.WriteString("[" + c.Name + ", " + c.Text + "]")
		} else {
			b.WriteString("~~" + c.Text + "~~")
		}
	}
	b.WriteString(m.Text[last:])
	return b.String()
}

func quoted(s string) string {
	return "> " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n> ") + "\n\n"
}
