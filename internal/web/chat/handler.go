// Package chat is the pages of chats: the list, a thread that grows while it is
// answered, and exactly what was sent for an answer.
package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Service is what the pages need of chats.
type Service interface {
	Available(ctx context.Context, org store.OrgID) error
	List(ctx context.Context, org store.OrgID, conn store.ConnectionID, limit, offset int) ([]store.Chat, int, error)
	Thread(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (chat.Thread, error)
	Start(ctx context.Context, org store.OrgID, conn store.ConnectionID, about, question string) (store.Chat, error)
	Ask(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, question string) error
	Retry(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error
	Stop(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error
	Rename(ctx context.Context, org store.OrgID, conn store.ConnectionID, id, title string) error
	Share(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, shared bool) error
	Delete(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error
	Watch(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, on func(chat.Message) error) error
	WhatWasSent(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string, seq int64) ([]chat.Sent, chat.Body, error)
	JSON(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) ([]byte, error)
	Markdown(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) ([]byte, error)
}

// Handlers answers the addresses of chats.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service} }

const (
	nav     = "chat"
	listed  = 30 // chats beside a thread
	maxForm = 64 << 10
)

func root(q *page.Request) string { return q.Base() + "/chat" }

func at(q *page.Request, id string) string { return root(q) + "/" + url.PathEscape(id) }

// Home lists the chats and takes a new question.
func (h *Handlers) Home(q *page.Request) error {
	v, err := h.side(q, "")
	if err != nil {
		return err
	}
	v.About = q.R.URL.Query().Get("about")
	v.AboutName = ui.Clip(ui.Clean(q.R.URL.Query().Get("name")), maxCite)
	v.Question = q.R.URL.Query().Get("q")
	return q.Page(http.StatusOK, "Chat", nav, homePage(v), page.Wide())
}

// side is what every page of chats shows.
func (h *Handlers) side(q *page.Request, open string) (view, error) {
	v := view{Base: q.Base(), Root: root(q), Now: q.Now, Open: open, Conn: q.Conn.Name}
	offset := ui.Offset(q.R.URL.Query())
	list, total, err := h.service.List(q.Context(), q.Org(), q.Conn.ID, listed, offset)
	if err != nil {
		return v, err
	}
	for _, c := range list {
		v.Chats = append(v.Chats, chatRow{ID: c.ID, Title: c.Title, At: c.UpdatedAt, Shared: c.Shared, Mine: c.User == q.Viewer.User})
	}
	v.Total = total
	if offset+len(list) < total {
		v.Older = ui.Address(v.Root, url.Values{"page": {strconv.Itoa(offset/ui.PerPage + 2)}})
	}
	if err := h.service.Available(q.Context(), q.Org()); err != nil {
		switch errs.KindOf(err) {
		case errs.NotFound, errs.Forbidden, errs.Limited, errs.Unavailable:
			v.Why, v.WhyHint = errs.PublicText(err)
		default:
			return v, err
		}
	}
	v.Admin, v.Editor = q.Viewer.May(store.RoleAdmin), q.Viewer.May(store.RoleEditor)
	return v, nil
}

// Show shows a thread.
func (h *Handlers) Show(q *page.Request) error { return h.show(q, "", nil) }

func (h *Handlers) show(q *page.Request, question string, problem error) error {
	id := q.R.PathValue("chat")
	t, err := h.service.Thread(q.Context(), q.Org(), q.Conn.ID, id)
	if err != nil {
		return err
	}
	v, err := h.side(q, id)
	if err != nil {
		return err
	}
	v.Thread, v.Path, v.Live = &t, at(q, id), t.Live()
	v.Question = question
	if problem != nil {
		v.Problem, v.ProblemHint = errs.PublicText(problem)
	}
	options := []page.Option{page.Wide()}
	if v.Live {
		options = append(options, page.Refresh(3))
	}
	status := http.StatusOK
	if problem != nil {
		status = errs.HTTPStatus(problem)
	}
	return q.Page(status, ui.Clip(ui.Name(t.Title), maxCite)+", chat", nav, threadPage(v), options...)
}

// form reads a form of bounded size.
func form(q *page.Request) error {
	q.R.Body = http.MaxBytesReader(q.W, q.R.Body, maxForm)
	if err := q.R.ParseForm(); err != nil {
		return errs.Wrap(err, errs.Invalid, "form", "The form could not be read.", "Shorten the question and send it again.")
	}
	return nil
}

// Start begins a chat.
func (h *Handlers) Start(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	question := q.R.PostFormValue("question")
	c, err := h.service.Start(q.Context(), q.Org(), q.Conn.ID, q.R.PostFormValue("about"), question)
	if errs.KindOf(err) == errs.Invalid {
		v, serr := h.side(q, "")
		if serr != nil {
			return serr
		}
		v.Question, v.About = question, q.R.PostFormValue("about")
		v.Problem, v.ProblemHint = errs.PublicText(err)
		return q.Page(errs.HTTPStatus(err), "Chat", nav, homePage(v), page.Wide())
	}
	if err != nil {
		return err
	}
	return q.Redirect(at(q, c.ID) + "#end")
}

// Ask adds a question to a chat.
func (h *Handlers) Ask(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	question := q.R.PostFormValue("question")
	err := h.service.Ask(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"), question)
	switch errs.KindOf(err) {
	case errs.Invalid, errs.Conflict, errs.Limited:
		return h.show(q, question, err)
	}
	return h.back(q, err)
}

// back returns to the thread after something was done to it.
func (h *Handlers) back(q *page.Request, err error) error {
	if err != nil {
		return err
	}
	return q.Redirect(at(q, q.R.PathValue("chat")) + "#end")
}

// Retry answers the last question anew.
func (h *Handlers) Retry(q *page.Request) error {
	return h.back(q, h.service.Retry(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat")))
}

// Stop ends the answer that is being written.
func (h *Handlers) Stop(q *page.Request) error {
	return h.back(q, h.service.Stop(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat")))
}

// Rename changes the title.
func (h *Handlers) Rename(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	return h.back(q, h.service.Rename(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"), q.R.PostFormValue("title")))
}

// Share lets members read a chat, or ends that.
func (h *Handlers) Share(q *page.Request) error {
	if err := form(q); err != nil {
		return err
	}
	shared := q.R.PostFormValue("shared") == "1"
	if err := h.service.Share(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"), shared); err != nil {
		return err
	}
	text := "Nobody but you can read this chat now."
	if shared {
		text = "Members of your organization can read this chat now; each sees only answers made from what he may see."
	}
	q.Flash(ui.Flash{Text: text})
	return h.back(q, nil)
}

// Delete deletes a chat.
func (h *Handlers) Delete(q *page.Request) error {
	if err := h.service.Delete(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat")); err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "The chat is deleted, with its placeholders and what was sent for it."})
	return q.Redirect(root(q))
}

// Events streams the answer that is being written: "answer" carries its HTML,
// "done" its last state.
func (h *Handlers) Events(q *page.Request) error {
	id := q.R.PathValue("chat")
	if _, err := h.service.Thread(q.Context(), q.Org(), q.Conn.ID, id); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(q.Context())
	defer cancel()
	go func() {
		select {
		case <-page.Stopping(q.Context()): //nolint:contextcheck // q carries the request's
			cancel()
		case <-ctx.Done():
		}
	}()
	stream := q.Stream()
	beat := q.Clock().Add(page.StreamBeat)
	var last []byte
	// The stream has begun: a failure ends it, and the browser asks for the page.
	_ = h.service.Watch(ctx, q.Org(), q.Conn.ID, id, func(m chat.Message) error {
		event := "answer"
		if m.State != chat.Running {
			event = "done"
		}
		var b bytes.Buffer
		if err := answer(view{Base: q.Base(), Path: at(q, id), Now: q.Clock()}, m, false).Render(ctx, &b); err != nil { //nolint:contextcheck // it gets ctx
			return err
		}
		switch now := q.Clock(); {
		case event == "done" || !bytes.Equal(b.Bytes(), last):
			last, beat = b.Bytes(), now.Add(page.StreamBeat)
			if !stream.EventHTML(event, b.String()) {
				return context.Canceled
			}
		case now.After(beat):
			beat = now.Add(page.StreamBeat)
			if !stream.Beat() {
				return context.Canceled
			}
		}
		return nil
	})
	return nil
}

// Sent shows exactly what left for an answer.
func (h *Handlers) Sent(q *page.Request) error {
	seq, err := strconv.ParseInt(q.R.PathValue("seq"), 10, 64)
	if err != nil {
		return page.NotFound()
	}
	list, body, err := h.service.WhatWasSent(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"), seq)
	if err != nil {
		return err
	}
	v := sentView{Base: q.Base(), Back: at(q, q.R.PathValue("chat")), Now: q.Now, Body: body}
	for _, s := range list {
		v.Rows = append(v.Rows, sentRow{
			At: s.At, Host: s.Host, Size: int64(len(s.Content)), KeyID: s.KeyID, Href: q.Base() + "/egress/" + url.PathEscape(s.ID), Text: readable(s.Content),
		})
	}
	v.Missing = len(body.Exchanges) - len(list)
	return q.Page(http.StatusOK, "What was sent", nav, sentPage(v), page.Wide())
}

// readable indents the JSON of a request; head and words are as they were sent.
func readable(content []byte) string {
	var b bytes.Buffer
	end := []byte("\r\n\r\n")
	head, body, found := bytes.Cut(content, end)
	if !found {
		head, body, end = nil, content, nil
	}
	if json.Indent(&b, body, "", "  ") == nil {
		content = slices.Concat(head, end, b.Bytes())
	}
	if !utf8.Valid(content) {
		return "(not text)"
	}
	return ui.CleanLines(string(content))
}

// ExportMarkdown sends the chat as Markdown.
func (h *Handlers) ExportMarkdown(q *page.Request) error {
	data, err := h.service.Markdown(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"))
	if err != nil {
		return err
	}
	return q.Download("metalens-chat.md", "text/markdown; charset=utf-8", data)
}

// ExportJSON sends the chat as JSON.
func (h *Handlers) ExportJSON(q *page.Request) error {
	data, err := h.service.JSON(q.Context(), q.Org(), q.Conn.ID, q.R.PathValue("chat"))
	if err != nil {
		return err
	}
	return q.Download("metalens-chat.json", "application/json", data)
}
