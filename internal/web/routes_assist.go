package web

import (
	"context"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/web/assist"
	"github.com/metalens/metalens/internal/web/browse"
	"github.com/metalens/metalens/internal/web/page"
)

// Assist is what the pages of agents need.
type Assist struct {
	Agents assist.Service
	Runs   *assist.Runs
	Models assist.Models
}

// assistRoutes are the pages of agents. Whatever an agent is asked about, the
// member has to see it himself.
func assistRoutes(cfg Config) []route {
	if cfg.Assist == nil {
		return nil
	}
	h := assist.New(cfg.Assist.Agents, cfg.Assist.Runs, libraryIndex{cfg.Library}, cfg.Assist.Models)
	return []route{
		{Pattern: "GET /c/{conn}/assist/{agent}/{subject}", Access: page.Viewer, Func: h.Show},
		{Pattern: "POST /c/{conn}/assist/{agent}/{subject}", Access: page.Viewer, Func: h.Ask},
		{Pattern: "GET /c/{conn}/assist/{agent}/{subject}/events", Access: page.Viewer, Func: h.Events},
		{Pattern: "GET /c/{conn}/assist/{agent}/{subject}/sent", Access: page.Viewer, Func: h.Sent},
		{Pattern: "GET /c/{conn}/write", Access: page.Viewer, Func: h.Writer},
		{Pattern: "POST /c/{conn}/write", Access: page.Viewer, Func: h.Write},
		{Pattern: "GET /c/{conn}/agents", Access: page.Editor, Func: h.AfterScan},
		{Pattern: "POST /c/{conn}/agents", Access: page.Admin, Func: h.SetAfterScan},
	}
}

// libraryIndex implements [assist.Library].
type libraryIndex struct{ browse.Library }

// Index implements [assist.Library].
func (l libraryIndex) Index(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*catalog.Index, error) {
	v, err := l.View(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return v.Index, nil
}
