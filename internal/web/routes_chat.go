package web

import (
	"github.com/metalens/metalens/internal/web/chat"
	"github.com/metalens/metalens/internal/web/page"
)

// chatRoutes are the pages of chats. A member reads his own and those that others
// share; what may be done to a chat, its author alone may do.
func chatRoutes(cfg Config) []route {
	if cfg.Chat == nil {
		return nil
	}
	h := chat.New(cfg.Chat)
	return []route{
		{Pattern: "GET /c/{conn}/chat", Access: page.Viewer, Func: h.Home},
		{Pattern: "POST /c/{conn}/chat", Access: page.Viewer, Func: h.Start},
		{Pattern: "GET /c/{conn}/chat/{chat}", Access: page.Viewer, Func: h.Show},
		{Pattern: "POST /c/{conn}/chat/{chat}", Access: page.Viewer, Func: h.Ask},
		{Pattern: "GET /c/{conn}/chat/{chat}/events", Access: page.Viewer, Func: h.Events},
		{Pattern: "POST /c/{conn}/chat/{chat}/retry", Access: page.Viewer, Func: h.Retry},
		{Pattern: "POST /c/{conn}/chat/{chat}/stop", Access: page.Viewer, Func: h.Stop},
		{Pattern: "POST /c/{conn}/chat/{chat}/rename", Access: page.Viewer, Func: h.Rename},
		{Pattern: "POST /c/{conn}/chat/{chat}/share", Access: page.Viewer, Func: h.Share},
		{Pattern: "POST /c/{conn}/chat/{chat}/delete", Access: page.Viewer, Func: h.Delete},
		{Pattern: "GET /c/{conn}/chat/{chat}/sent/{seq}", Access: page.Viewer, Func: h.Sent},
		{Pattern: "GET /c/{conn}/chat/{chat}/export.md", Access: page.Viewer, Func: h.ExportMarkdown},
		{Pattern: "GET /c/{conn}/chat/{chat}/export.json", Access: page.Viewer, Func: h.ExportJSON},
	}
}
