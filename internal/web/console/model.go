package console

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/operator"
	"github.com/metalens/metalens/internal/web/ui"
)

type stateView struct {
	Version       string
	Uptime        time.Duration
	Organizations int
	Connections   int
	Unreadable    int
	FailedScans   int
	Waiting       int
	Running       int
	Failed        int
	Storage       operator.Storage
	Keys          operator.KeyState
	KeysKnown     bool
	Controls      operator.Controls
	Configuration [][2]string
	Now           time.Time
}

func purposeName(p ledger.Purpose) string {
	switch p {
	case ledger.PurposeMetabase:
		return "Metabase: scans and connection tests"
	case ledger.PurposeModel:
		return "Model providers"
	case ledger.PurposeMail:
		return "Mail"
	case ledger.PurposeWebhook:
		return "Webhooks"
	case ledger.PurposeOIDC:
		return "Single sign-on"
	case ledger.PurposeWarehouse:
		return "Warehouses"
	case ledger.PurposeKMS:
		return "Key management"
	}
	return ui.Capital(string(p))
}

// open lists the traffic that is not stopped.
func open(c operator.Controls) []ledger.Purpose {
	var list []ledger.Purpose
	for _, p := range operator.Purposes() {
		if !slices.ContainsFunc(c.Stopped, func(s operator.Stop) bool { return s.Purpose == p }) {
			list = append(list, p)
		}
	}
	return list
}

func jobState(s jobs.State) string {
	switch s {
	case jobs.StateDone:
		return "succeeded"
	case jobs.StateWaiting, jobs.StateRetrying:
		return "queued"
	}
	return string(s)
}

func canCancel(s jobs.State) bool {
	return s == jobs.StateWaiting || s == jobs.StateRunning || s == jobs.StateRetrying
}

func canRetry(s jobs.State) bool {
	return s == jobs.StateFailed || s == jobs.StateCancelled || s == jobs.StateRetrying
}

func level(c operator.Controls) string {
	if c.LogLevel == "" {
		return "as configured"
	}
	return c.LogLevel
}

func fromMicros(n int64) time.Time { return time.UnixMicro(n).UTC() }

func list(items []string) string {
	if len(items) == 0 {
		return "nothing"
	}
	return strings.Join(items, ", ")
}

// spendText says what an organization's models used in a month.
func spendText(o operator.Organization) string {
	const million = 1_000_000
	text := fmt.Sprintf("$%.2f, ", float64(o.AIMicros)/million) + ui.Count(o.AITokens, "token", "tokens")
	if o.AIUnknown > 0 {
		text += ", " + ui.Count(o.AIUnknown, "call", "calls") + " of unknown price"
	}
	return text
}
