// Package security is the page on which an installation states what it reads,
// sends and keeps, from its own settings and records.
package security

import (
	"bytes"
	"context"
	"net/http"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/posture"
	"github.com/metalens/metalens/internal/web/page"
)

// Service makes the statement.
type Service interface {
	// Posture states what holds for an organization at this moment.
	Posture(ctx context.Context, viewer auth.Identity) (*posture.Report, error)
}

// Handlers answers the page's addresses.
type Handlers struct{ service Service }

// New returns the handlers.
func New(service Service) *Handlers { return &Handlers{service: service} }

// Show shows the statement.
func (h *Handlers) Show(q *page.Request) error {
	report, err := h.service.Posture(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Security & data", "security", securityPage(report, q.Now))
}

// JSON answers with the statement for a machine.
func (h *Handlers) JSON(q *page.Request) error {
	return h.export(q, "metalens-security.json", "application/json; charset=utf-8", func(r *posture.Report, b *bytes.Buffer) error { return r.WriteJSON(b) })
}

// Markdown answers with the statement for a reviewer's file.
func (h *Handlers) Markdown(q *page.Request) error {
	return h.export(q, "metalens-security.md", "text/markdown; charset=utf-8", func(r *posture.Report, b *bytes.Buffer) error { return r.WriteMarkdown(b) })
}

func (h *Handlers) export(q *page.Request, name, media string, write func(*posture.Report, *bytes.Buffer) error) error {
	report, err := h.service.Posture(q.Context(), q.Viewer)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := write(report, &b); err != nil {
		return err
	}
	return q.Download(name, media, b.Bytes())
}
