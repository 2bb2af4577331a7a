// Package console is the pages of the operator console: a listener of its own
// with accounts of its own. It shows sizes, counts and states of the whole
// installation, never content, and switches what must be switched at once.
package console

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/audit"
	"github.com/metalens/metalens/internal/web/egress"
	"github.com/metalens/metalens/internal/web/page"
	"github.com/metalens/metalens/internal/web/ui"
)

// Service is what the console needs; [operator.Service] implements it.
type Service interface {
	Organizations(ctx context.Context) ([]operator.Organization, error)
	Jobs(ctx context.Context, limit int) ([]jobs.Info, []operator.JobCount, error)
	CancelJob(ctx context.Context, by store.UserID, id int64) error
	RetryJob(ctx context.Context, by store.UserID, id int64) error
	Storage(ctx context.Context) (operator.Storage, error)
	Keys() (operator.KeyState, bool)
	Controls() operator.Controls
	Configuration() [][2]string
	Uptime() time.Duration
	SetLogLevel(ctx context.Context, by store.UserID, level string) error
	StopTraffic(ctx context.Context, by store.UserID, p ledger.Purpose, why string) error
	AllowTraffic(ctx context.Context, by store.UserID, p ledger.Purpose) error
	Operators(ctx context.Context) ([]store.User, error)
	RemoveOperator(ctx context.Context, by, id store.UserID) error
	RetentionReports(ctx context.Context, limit int) ([]store.RetentionReport, error)
}

// Logs are the installation's own ledger and audit log, for operators only.
type Logs interface {
	egress.Ledger
	audit.Log
	// VerifyLogs compares both chains with what was written, now, and keeps the
	// result for the pages.
	VerifyLogs(ctx context.Context) (ledger.Report, error)
}

// Menu is the console's navigation.
func Menu() []ui.MenuEntry {
	return []ui.MenuEntry{
		{Key: "console", Href: "/", Label: "State", Icon: "overview"},
		{Key: "organizations", Href: "/organizations", Label: "Organizations", Icon: "catalog"},
		{Key: "jobs", Href: "/jobs", Label: "Jobs", Icon: "clock"},
		{Key: "storage", Href: "/storage", Label: "Storage", Icon: "metrics"},
		{Key: "retention", Href: "/retention", Label: "Retention", Icon: "scans"},
		{Key: "controls", Href: "/controls", Label: "Controls", Icon: "impact"},
		{Key: "egress", Href: "/egress", Label: "Egress", Icon: "egress"},
		{Key: "log", Href: "/audit", Label: "Audit", Icon: "findings"},
		{Key: "operators", Href: "/operators", Label: "Operators", Icon: "user"},
	}
}

// Handlers answers the console's addresses.
type Handlers struct {
	service Service
	logs    Logs
	version string
}

// New returns the handlers.
func New(service Service, logs Logs, version string) *Handlers {
	return &Handlers{service: service, logs: logs, version: version}
}

// State shows how the installation is doing.
func (h *Handlers) State(q *page.Request) error {
	orgs, err := h.service.Organizations(q.Context())
	if err != nil {
		return err
	}
	storage, err := h.service.Storage(q.Context())
	if err != nil {
		return err
	}
	_, counts, err := h.service.Jobs(q.Context(), 0)
	if err != nil {
		return err
	}
	v := stateView{
		Version: h.version, Uptime: h.service.Uptime(), Organizations: len(orgs), Storage: storage, Controls: h.service.Controls(),
		Configuration: h.service.Configuration(), Now: q.Now,
	}
	v.Keys, v.KeysKnown = h.service.Keys()
	for _, o := range orgs {
		v.Connections += o.Connections
		v.FailedScans += o.FailedScans7
		if o.Problem != "" {
			v.Unreadable++
		}
	}
	for _, c := range counts {
		switch c.State {
		case jobs.StateWaiting, jobs.StateRetrying:
			v.Waiting += c.Count
		case jobs.StateRunning:
			v.Running += c.Count
		case jobs.StateFailed:
			v.Failed += c.Count
		default:
		}
	}
	return q.Page(http.StatusOK, "State", "console", statePage(v))
}

// Organizations lists the tenants.
func (h *Handlers) Organizations(q *page.Request) error {
	list, err := h.service.Organizations(q.Context())
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Organizations", "organizations", organizationsPage(list, q.Now), page.Wide())
}

// Jobs lists the newest jobs.
func (h *Handlers) Jobs(q *page.Request) error {
	list, counts, err := h.service.Jobs(q.Context(), 100)
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Jobs", "jobs", jobsPage(list, counts, q.Now), page.Wide())
}

// CancelJob ends a job.
func (h *Handlers) CancelJob(q *page.Request) error {
	return h.onJob(q, h.service.CancelJob, "The job was told to end.")
}

// RetryJob lets a job run again.
func (h *Handlers) RetryJob(q *page.Request) error {
	return h.onJob(q, h.service.RetryJob, "The job will run again.")
}

func (h *Handlers) onJob(q *page.Request, do func(context.Context, store.UserID, int64) error, done string) error {
	id, err := strconv.ParseInt(q.R.PathValue("job"), 10, 64)
	if err != nil {
		return errs.New(errs.NotFound, "no_job", "There is no such job.", "")
	}
	return h.then(q, do(q.Context(), q.Viewer.User, id), done, "/jobs")
}

// then goes back to a page with what came of an action: a refusal that the
// operator caused is a message there, anything else an error page.
func (h *Handlers) then(q *page.Request, err error, done, back string) error {
	switch errs.KindOf(err) {
	case "":
		q.Flash(ui.Flash{Text: done})
	case errs.Invalid, errs.Conflict:
		text, hint := errs.PublicText(err)
		q.Flash(ui.Flash{Text: strings.TrimSpace(text + " " + hint), Bad: true})
	default:
		return err
	}
	return q.Redirect(back)
}

// Storage shows sizes.
func (h *Handlers) Storage(q *page.Request) error {
	s, err := h.service.Storage(q.Context())
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Storage", "storage", storagePage(s))
}

// Retention lists what retention deleted.
func (h *Handlers) Retention(q *page.Request) error {
	list, err := h.service.RetentionReports(q.Context(), 100)
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Retention", "retention", retentionPage(list, q.Now))
}

// Controls shows the switches.
func (h *Handlers) Controls(q *page.Request) error {
	return q.Page(http.StatusOK, "Controls", "controls", controlsPage(h.service.Controls(), q.Now))
}

// SetLogLevel changes the log level.
func (h *Handlers) SetLogLevel(q *page.Request) error {
	return h.then(q, h.service.SetLogLevel(q.Context(), q.Viewer.User, q.R.PostFormValue("level")), "The log level was changed.", "/controls")
}

// StopTraffic stops a kind of outbound traffic.
func (h *Handlers) StopTraffic(q *page.Request) error {
	err := h.service.StopTraffic(q.Context(), q.Viewer.User, ledger.Purpose(q.R.PostFormValue("purpose")), strings.TrimSpace(q.R.PostFormValue("why")))
	return h.then(q, err, "Stopped. Every process follows within seconds.", "/controls")
}

// AllowTraffic lets it out again.
func (h *Handlers) AllowTraffic(q *page.Request) error {
	err := h.service.AllowTraffic(q.Context(), q.Viewer.User, ledger.Purpose(q.R.PostFormValue("purpose")))
	return h.then(q, err, "Allowed again.", "/controls")
}

// VerifyLogs compares the installation's own logs with what was written.
func (h *Handlers) VerifyLogs(q *page.Request) error {
	report, err := h.logs.VerifyLogs(q.Context())
	if err != nil {
		return err
	}
	rows := 0
	for _, c := range report.Chains {
		rows += int(c.Rows)
	}
	said := ui.Flash{Text: "Verified: " + ui.Count(rows, "row is", "rows are") + " as written."}
	if n := report.Problems(); n > 0 {
		said = ui.Flash{Text: ui.Count(n, "contradiction was", "contradictions were") + " found. Run metalens doctor --verify-ledger; it names them.", Bad: true}
	}
	q.Flash(said)
	back := "/audit"
	if q.R.PostFormValue("back") == "/egress" {
		back = "/egress"
	}
	return q.Redirect(back)
}

// Operators lists the console's accounts.
func (h *Handlers) Operators(q *page.Request) error {
	list, err := h.service.Operators(q.Context())
	if err != nil {
		return err
	}
	return q.Page(http.StatusOK, "Operators", "operators", operatorsPage(list, q.Viewer.User, q.Now))
}

// RemoveOperator deletes an account.
func (h *Handlers) RemoveOperator(q *page.Request) error {
	return h.then(q, h.service.RemoveOperator(q.Context(), q.Viewer.User, store.UserID(q.R.PathValue("operator"))), "The account was removed.", "/operators")
}
