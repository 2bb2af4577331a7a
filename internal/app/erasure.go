package app

import (
	"context"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/erasure"
	"github.com/metalens/metalens/internal/posture"
	"github.com/metalens/metalens/internal/store"
)

// forgetEvery is how often a server looks for organizations that another
// process deleted.
const forgetEvery = 15 * time.Second

// openErasure builds the service of retention and deletion.
func (s *server) openErasure() (err error) {
	s.erasure, err = erasure.New(erasure.Config{
		Store: s.store, Post: s.outbox, Most: retentionLimits(s.config.Retention), Forget: s.forgetOrganization, Sees: s.library.seenBy, Now: s.env.Now, Logger: s.log,
	})
	return err
}

// forgetOrganization drops what this process keeps in memory. The caches of pages
// are by scan, not by organization: all of them go.
func (s *server) forgetOrganization(org store.OrgID) {
	s.library.graphs.Forget(org)
	s.library.mu.Lock()
	s.library.views, s.library.parts = nil, nil
	s.library.mu.Unlock()
	s.content.mu.Lock()
	s.content.kept = nil
	s.content.mu.Unlock()
}

// watchDeletions notices what other processes delete, until the returned
// function is called.
func (s *server) watchDeletions(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { s.erasure.Watch(ctx, forgetEvery) })
	return func() {
		cancel()
		watching.Wait()
	}
}

// privacyPages implements [privacy.Service]: after the last account is gone, the
// first run is open again.
type privacyPages struct {
	*erasure.Service
	server *server
}

// DeleteOrganization implements [privacy.Service].
func (p privacyPages) DeleteOrganization(ctx context.Context, org store.OrgID, typed string) (erasure.Receipt, error) {
	r, err := p.Service.DeleteOrganization(ctx, org, typed)
	if err == nil {
		p.server.reopen(ctx)
	}
	return r, err
}

// reopen says on the console how to claim an installation that has no account
// any more.
func (s *server) reopen(ctx context.Context) {
	needs, err := s.auth.NeedsSetup(ctx)
	if err != nil || !needs {
		return
	}
	s.env.Say("  The last account was deleted. First run: open %s/setup?token=%s to make the owner's account", s.url(), url.QueryEscape(s.auth.ReopenSetup()))
}

// retentionSection says what is kept for how long, and what deletion reaches.
func (p securityPages) retentionSection(ctx context.Context, org store.OrgID) (posture.Section, error) {
	l, err := p.erasure.Limits(ctx, org)
	if err != nil {
		return posture.Section{}, err
	}
	reports, err := p.erasure.Reports(ctx, org, 1)
	if err != nil {
		return posture.Section{}, err
	}
	days := func(n int) string { return strconv.Itoa(n) + " days" }
	last := posture.Fact{Label: "Last run of retention", Value: "not yet", State: posture.Unknown, Source: posture.Records}
	if len(reports) > 0 {
		last.Value, last.State = reports[0].At.UTC().Format("2006-01-02 15:04 UTC"), posture.Fine
		last.Detail = strconv.Itoa(reports[0].Total()) + " rows deleted"
	}
	old := posture.Fact{Label: "Backups from before a deletion", Value: "cannot be read: the organization’s key outside the database is destroyed", State: posture.Fine, Source: posture.Configuration, Proof: "internal/erasure: TestNothingIsLeftOfAnOrganization"}
	if p.store.ErasureKeys() != nil {
		old.Value, old.State = "can be read with the master key; a restored one loses what was deleted before it is served", posture.Notice
		old.Detail = "set retention.erasure_keys to a folder outside the database"
	}
	return posture.Section{ID: "retention", Title: "Retention and deletion", Facts: []posture.Fact{
		{Label: "Scans and summaries", Value: days(l.Scans), State: posture.Fine, Source: posture.Configuration},
		{Label: "Audit log", Value: days(l.Audit), State: posture.Fine, Source: posture.Configuration},
		{Label: "Egress ledger", Value: days(l.Ledger), State: posture.Fine, Source: posture.Configuration},
		{Label: "Exact requests", Value: days(l.Payloads), State: posture.Fine, Source: posture.Configuration},
		last,
		{Label: "Credentials", Value: "deleted with their connection, at once", State: posture.Fine, Source: posture.BuiltIn},
		{Label: "Deleted account or organization", Value: "all rows in one transaction, deleted again after a restore", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/erasure: TestNothingIsLeftOfAnAccount"},
		old,
	}}, nil
}
