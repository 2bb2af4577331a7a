package outbound_test

import (
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
)

// TestStoppedTrafficStaysHere stops traffic of a purpose while a connection is
// open: not even that one is used again, and other purposes go on.
func TestStoppedTrafficStaysHere(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { asked.Add(1) }))
	defer server.Close()
	var stopped atomic.Bool
	policy := outbound.Policy{AllowLoopback: true, Stopped: func(p ledger.Purpose) bool { return p == ledger.PurposeMail && stopped.Load() }}
	ask := func(purpose ledger.Purpose) (*http.Client, func() error) {
		transport, err := outbound.NewTransport(outbound.Config{Purpose: purpose, Policy: policy, Recorder: &ledger.Memory{}})
		if err != nil {
			t.Fatal(err)
		}
		client := &http.Client{Transport: transport}
		return client, func() error {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err == nil {
				_ = resp.Body.Close()
			}
			return err
		}
	}
	_, mail := ask(ledger.PurposeMail)
	_, hook := ask(ledger.PurposeWebhook)
	if err := mail(); err != nil {
		t.Fatal(err)
	}
	stopped.Store(true)
	before := asked.Load()
	if err := mail(); errs.CodeOf(err) != outbound.CodeStopped || errs.KindOf(err) != errs.Forbidden {
		t.Errorf("got %v", err)
	}
	if asked.Load() != before {
		t.Error("the request left nevertheless")
	}
	if err := hook(); err != nil {
		t.Errorf("another purpose: %v", err)
	}
	dialer, err := outbound.NewDialer(outbound.Config{Purpose: ledger.PurposeMail, Policy: policy, Recorder: &ledger.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dialer.DialContext(t.Context(), "tcp", server.Listener.Addr().String()); errs.CodeOf(err) != outbound.CodeStopped {
		t.Errorf("dialing: %v", err)
	}
	stopped.Store(false)
	if err := mail(); err != nil {
		t.Errorf("allowed again: %v", err)
	}
}
