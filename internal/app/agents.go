package app

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/checks"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/browse"
)

// agents is what a server needs of agents.
type agents struct {
	service *agent.Service
	backend *agentBackend
	queue   *jobs.Queue
	log     *slog.Logger
}

// openAgents builds the agents over the services of the pages. Nothing is sent.
func (s *server) openAgents(queue *jobs.Queue) (err error) {
	s.agents = agents{backend: newAgentBackend(s), queue: queue, log: s.log}
	s.agents.service, err = agent.New(agent.Config{
		Store: s.store, Backend: s.agents.backend, Models: s.models.gateway, Setups: setups{s.models.settings}, Now: s.env.Now, Logger: s.log,
	})
	return err
}

// afterScan puts the work of agents after a scan in the queue. That it could not
// be is no failure of the scan.
func (a agents) afterScan(ctx context.Context, args jobs.Args) {
	if err := a.service.Enqueue(access.AsSystem(ctx), a.queue, args.Org, args.Connection); err != nil && ctx.Err() == nil {
		a.log.Warn("the work of agents after a scan was not queued", slog.String("error", err.Error()))
	}
}

// maxAgentWorlds is how many worlds of agents are kept beside their views.
const maxAgentWorlds = 64

// agentBackend implements [tools.Backend] over the services of the pages: agents
// see what the pages show to the same actor.
type agentBackend struct {
	library  *library
	content  *contentPages
	findings findingPages
	history  historyPages
	scans    scanPages
	checks   map[string]check.Meta

	mu     sync.Mutex
	worlds []agentWorld // the last made one last
}

type agentWorld struct {
	view  *browse.View
	world *tools.World
}

func newAgentBackend(s *server) *agentBackend {
	b := &agentBackend{
		library: s.library, content: s.content, findings: findingPages{s.store, s.library, s.env.Now}, history: historyPages{s.store, s.library},
		scans: scanPages{s.store, s.scans, s.library}, checks: map[string]check.Meta{},
	}
	for _, c := range checks.All() {
		b.checks[c.Meta.ID] = c.Meta
	}
	return b
}

// World implements [tools.Backend].
func (b *agentBackend) World(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*tools.World, error) {
	view, err := b.library.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.worlds {
		if w.view == view {
			return w.world, nil
		}
	}
	w := &tools.World{
		Org: org, Connection: conn, Scan: view.Scan, Index: view.Index, Graph: view.Graph, Whole: view.Part == nil,
		Sees: func(catalog.Ref) bool { return true }, Path: view.Path, MoreSources: view.MoreSources, MoreUsers: view.MoreUsers,
	}
	if view.Part != nil {
		w.Sees = view.Part.Sees
	}
	b.worlds = slices.DeleteFunc(b.worlds, func(o agentWorld) bool { return !b.library.holds(o.view) })
	if len(b.worlds) >= maxAgentWorlds {
		b.worlds = b.worlds[1:]
	}
	b.worlds = append(b.worlds, agentWorld{view, w})
	return w, nil
}

// Search implements [tools.Backend].
func (b *agentBackend) Search(ctx context.Context, org store.OrgID, conn store.ConnectionID, q tools.SearchQuery) ([]store.SearchHit, int, error) {
	return b.history.Search(ctx, org, conn, browse.SearchQuery{Text: q.Text, Kinds: q.Kinds, Limit: q.Limit, Offset: q.Offset})
}

// Findings implements [tools.Backend].
func (b *agentBackend) Findings(ctx context.Context, org store.OrgID, q store.FindingQuery) (list []store.FindingRecord, total int, err error) {
	scope, err := b.library.scope(ctx, org, q.Connection)
	if err != nil {
		return nil, 0, err
	}
	q.Visible = visibleFindings(scope)
	err = b.findings.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, total, err = tx.Findings(ctx, q)
		return err
	})
	return list, total, err
}

// Finding implements [tools.Backend].
func (b *agentBackend) Finding(ctx context.Context, org store.OrgID, conn store.ConnectionID, fingerprint string) (store.FindingRecord, error) {
	f, _, err := b.findings.Finding(ctx, org, conn, fingerprint)
	return f, err
}

// Similar implements [tools.Backend].
func (b *agentBackend) Similar(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*similar.Result, error) {
	c, err := b.content.compare(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return &c.found, nil
}

// Changes implements [tools.Backend].
func (b *agentBackend) Changes(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]store.Change, error) {
	latest, err := b.scans.LatestScan(ctx, org, conn)
	if err != nil || latest.Seq <= 1 {
		return nil, err
	}
	return b.scans.Changes(ctx, org, conn, latest.Seq-1, latest.Seq)
}

// Check implements [tools.Backend].
func (b *agentBackend) Check(id string) (check.Meta, bool) {
	m, ok := b.checks[id]
	return m, ok
}
