// Package privacy is the pages by which people rule over what is kept: how
// long, the deletion of an account or of the organization, the receipt of it,
// and the export of everything that people wrote.
package privacy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/settings"
	"github.com/metalens/metalens/internal/web/ui"
)

// Service is what the pages need. The service asks who acts.
type Service interface {
	Most() erasure.Limits
	Limits(ctx context.Context, org store.OrgID) (erasure.Limits, error)
	SetLimits(ctx context.Context, org store.OrgID, l erasure.Limits) error
	Preview(ctx context.Context, org store.OrgID, l erasure.Limits) (map[string]int, error)
	Apply(ctx context.Context, org store.OrgID) (store.RetentionReport, error)
	Reports(ctx context.Context, org store.OrgID, limit int) ([]store.RetentionReport, error)
	OrganizationFacts(ctx context.Context, org store.OrgID) (erasure.Facts, error)
	DeleteOrganization(ctx context.Context, org store.OrgID, typed string) (erasure.Receipt, error)
	DeleteAccount(ctx context.Context, typed string) (erasure.Receipt, error)
	Receipt(ctx context.Context, token string) (erasure.Receipt, error)
	ExportOrganization(ctx context.Context, org store.OrgID, to io.Writer) error
	ExportAccount(ctx context.Context, to io.Writer) error
}

// Sessions ends the session of whoever is gone.
type Sessions interface {
	Forget(ctx context.Context) error
}

// Handlers answers the addresses of these pages.
type Handlers struct {
	service  Service
	sessions Sessions
}

// New returns the handlers.
func New(s Service, sessions Sessions) *Handlers { return &Handlers{s, sessions} }

// limit is one line of the form.
type limit struct {
	Key, Label, Help string
	Days, Most       int
	Value            string // as typed
	Problem          string
}

type count struct {
	What string
	N    int
}

type retentionView struct {
	Lines   []limit
	Admin   bool
	Preview []count
	Asked   bool // a preview was asked for
	Reports []store.RetentionReport
	Now     time.Time
}

func lines(l, most erasure.Limits) []limit {
	return []limit{
		{Key: "scans", Label: "Scans, summaries and resolved findings", Help: "What people decided about findings (ignored, assigned, and why) outlives this; the text it points at does not.", Days: l.Scans, Most: most.Scans},
		{Key: "audit", Label: "Audit log", Help: "Who logged in, who started which scan, who read which exact request, who changed what.", Days: l.Audit, Most: most.Audit},
		{Key: "ledger", Label: "Egress ledger", Help: "What left: when, to where, how much. Signed checkpoints of its chain stay.", Days: l.Ledger, Most: most.Ledger},
		{Key: "payloads", Label: "Exact requests", Help: "The bytes that were sent to a model or a webhook, kept apart from the ledger.", Days: l.Payloads, Most: most.Payloads},
	}
}

// Retention shows how long things are kept.
func (h *Handlers) Retention(q *page.Request) error {
	l, err := h.service.Limits(q.Context(), q.Org())
	if err != nil {
		return err
	}
	return h.retention(q, http.StatusOK, lines(l, h.service.Most()), nil, false)
}

func (h *Handlers) retention(q *page.Request, status int, list []limit, preview []count, asked bool) error {
	reports, err := h.service.Reports(q.Context(), q.Org(), 30)
	if err != nil {
		return err
	}
	for i := range list {
		if list[i].Value == "" {
			list[i].Value = strconv.Itoa(list[i].Days)
		}
	}
	v := retentionView{Lines: list, Admin: q.Viewer.May(store.RoleAdmin), Preview: preview, Asked: asked, Reports: reports, Now: q.Now}
	return settings.Page(q, status, "retention", "Retention", retentionPage(v))
}

// typed reads the form; what is no number is out of range.
func (h *Handlers) typed(q *page.Request) (erasure.Limits, []limit) {
	days := func(name string) int {
		n, err := strconv.Atoi(strings.TrimSpace(q.R.PostFormValue(name)))
		if err != nil {
			return -1
		}
		return n
	}
	l := erasure.Limits{Scans: days("scans"), Audit: days("audit"), Ledger: days("ledger"), Payloads: days("payloads")}
	list := lines(l, h.service.Most())
	for i := range list {
		list[i].Value = strings.TrimSpace(q.R.PostFormValue(list[i].Key))
	}
	return l, list
}

// refused shows messages beside the fields; ok is false when err is no such
// refusal.
func (h *Handlers) refused(q *page.Request, list []limit, err error) (error, bool) {
	var bad erasure.LimitErrors
	if !errors.As(err, &bad) {
		return nil, false
	}
	for i := range list {
		list[i].Problem = bad[list[i].Key]
	}
	return h.retention(q, http.StatusUnprocessableEntity, list, nil, false), true
}

// PreviewRetention says what the typed limits would delete now.
func (h *Handlers) PreviewRetention(q *page.Request) error {
	l, list := h.typed(q)
	counts, err := h.service.Preview(q.Context(), q.Org(), l)
	if answer, ok := h.refused(q, list, err); ok {
		return answer
	}
	if err != nil {
		return err
	}
	return h.retention(q, http.StatusOK, list, worded(counts), true)
}

// SetRetention keeps the typed limits.
func (h *Handlers) SetRetention(q *page.Request) error {
	l, list := h.typed(q)
	err := h.service.SetLimits(q.Context(), q.Org(), l)
	if answer, ok := h.refused(q, list, err); ok {
		return answer
	}
	if err != nil {
		return err
	}
	q.Flash(ui.Flash{Text: "Kept. What is past its time goes with the next daily run, or at once with “Delete now”."})
	return q.Redirect("/settings/retention")
}

// ApplyRetention deletes what is past its time now.
func (h *Handlers) ApplyRetention(q *page.Request) error {
	r, err := h.service.Apply(q.Context(), q.Org())
	if err != nil {
		return err
	}
	text := "Nothing is past its time."
	if r.Total() > 0 {
		text = "Deleted: " + sentence(worded(r.Deleted)) + "."
	}
	q.Flash(ui.Flash{Text: text})
	return q.Redirect("/settings/retention")
}

var retentionWords = []struct{ key, one, many string }{
	{"scans", "scan", "scans"},
	{"asset_versions", "version of an asset", "versions of assets"},
	{"findings", "resolved finding", "resolved findings"},
	{"audit_rows", "row of the audit log", "rows of the audit log"},
	{"ledger_rows", "row of the egress ledger", "rows of the egress ledger"},
	{"payloads", "exact request", "exact requests"},
}

func worded(counts map[string]int) (list []count) {
	for _, w := range retentionWords {
		n := counts[w.key]
		switch {
		case n == 1:
			list = append(list, count{w.one, n})
		case n > 1:
			list = append(list, count{w.many, n})
		}
	}
	return list
}

func sentence(list []count) string {
	parts := make([]string, len(list))
	for i, c := range list {
		parts[i] = strconv.Itoa(c.N) + " " + c.What
	}
	return strings.Join(parts, ", ")
}

func cause(r store.RetentionReport) string {
	if r.Cause == erasure.CauseRequest {
		return "on request"
	}
	return "daily"
}

func limitsOf(r store.RetentionReport) string {
	return strconv.Itoa(r.Days["scans"]) + " / " + strconv.Itoa(r.Days["audit"]) + " / " + strconv.Itoa(r.Days["ledger"]) + " / " + strconv.Itoa(r.Days["payloads"])
}

type deleteView struct {
	Facts   erasure.Facts
	Address string // of the account
	Last    bool   // the last owner: it cannot go alone
	Problem string
}

// ConfirmOrganization says what goes with the organization.
func (h *Handlers) ConfirmOrganization(q *page.Request) error {
	return h.confirmOrganization(q, http.StatusOK, "")
}

func (h *Handlers) confirmOrganization(q *page.Request, status int, problem string) error {
	facts, err := h.service.OrganizationFacts(q.Context(), q.Org())
	if err != nil {
		return err
	}
	return settings.Page(q, status, "delete", "Delete the organization", deleteOrganizationPage(deleteView{Facts: facts, Problem: problem}))
}

// DeleteOrganization deletes the organization.
func (h *Handlers) DeleteOrganization(q *page.Request) error {
	r, err := h.service.DeleteOrganization(q.Context(), q.Org(), q.R.PostFormValue("confirm"))
	if errs.CodeOf(err) == "mistyped" {
		text, _ := errs.PublicText(err)
		return h.confirmOrganization(q, http.StatusUnprocessableEntity, text)
	}
	return h.gone(q, r, err)
}

// ConfirmAccount says what goes with the account.
func (h *Handlers) ConfirmAccount(q *page.Request) error {
	return h.confirmAccount(q, http.StatusOK, deleteView{})
}

func (h *Handlers) confirmAccount(q *page.Request, status int, v deleteView) error {
	v.Address = q.Viewer.Email
	return q.Page(status, "Delete your account", "account", deleteAccountPage(v))
}

// DeleteAccount deletes the viewer's account.
func (h *Handlers) DeleteAccount(q *page.Request) error {
	r, err := h.service.DeleteAccount(q.Context(), q.R.PostFormValue("confirm"))
	switch errs.CodeOf(err) {
	case "mistyped":
		text, _ := errs.PublicText(err)
		return h.confirmAccount(q, http.StatusUnprocessableEntity, deleteView{Problem: text})
	case "last_owner":
		return h.confirmAccount(q, http.StatusConflict, deleteView{Last: true})
	}
	return h.gone(q, r, err)
}

// gone ends the session of somebody who is gone and shows the receipt.
func (h *Handlers) gone(q *page.Request, r erasure.Receipt, err error) error {
	if err != nil {
		return err
	}
	if err := h.sessions.Forget(q.Context()); err != nil {
		return err
	}
	target := "/receipt/" + r.Token
	if r.Mailed {
		target += "?mailed=1"
	}
	return q.Redirect(target)
}

type receiptView struct {
	store.Deletion
	Lines  []erasure.Line
	Text   string
	Href   string
	Mailed bool
	Now    time.Time
}

// Receipt shows what was deleted, to whoever has its address.
func (h *Handlers) Receipt(q *page.Request) error {
	token := q.R.PathValue("token")
	r, err := h.service.Receipt(q.Context(), token)
	if err != nil {
		return err
	}
	q.W.Header().Set("Referrer-Policy", "no-referrer")
	v := receiptView{
		Deletion: r.Deletion, Lines: erasure.Lines(r.Deletion), Text: erasure.Text(r.Deletion), Href: "/receipt/" + token + "/text",
		Mailed: q.R.URL.Query().Get("mailed") == "1", Now: q.Now,
	}
	return q.Bare(http.StatusOK, "Deleted", receiptPage(v))
}

// ReceiptText is the receipt as a file to keep.
func (h *Handlers) ReceiptText(q *page.Request) error {
	r, err := h.service.Receipt(q.Context(), q.R.PathValue("token"))
	if err != nil {
		return err
	}
	return q.Download("metalens-deletion.txt", "text/plain; charset=utf-8", []byte(erasure.Text(r.Deletion)))
}

// Export offers the organization's records.
func (h *Handlers) Export(q *page.Request) error {
	return settings.Page(q, http.StatusOK, "export", "Export", exportPage(erasure.Authored()))
}

// ExportOrganization answers with everything that people of the organization
// wrote.
func (h *Handlers) ExportOrganization(q *page.Request) error {
	var b bytes.Buffer
	if err := h.service.ExportOrganization(q.Context(), q.Org(), &b); err != nil {
		return err
	}
	return q.Download("metalens-organization.zip", "application/zip", b.Bytes())
}

// ConfirmExportAccount offers the viewer's own records.
func (h *Handlers) ConfirmExportAccount(q *page.Request) error {
	return q.Page(http.StatusOK, "Export your records", "account", exportAccountPage())
}

// ExportAccount answers with everything that is the viewer's own.
func (h *Handlers) ExportAccount(q *page.Request) error {
	var b bytes.Buffer
	if err := h.service.ExportAccount(q.Context(), &b); err != nil {
		return err
	}
	return q.Download("metalens-account.zip", "application/zip", b.Bytes())
}
