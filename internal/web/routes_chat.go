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
	const root, one = "/c/{conn}/chat", "/c/{conn}/chat/{chat}"
	return []route{
		{Pattern: "GET " + root, Access: page.Viewer, Func: h.Home},
		{Pattern: "POST " + root, Access: page.Viewer, Func: h.Start},
		{Pattern: "GET " + one, Access: page.Viewer, Func: h.Show},
		{Pattern: "POST " + one, Access: page.Viewer, Func: h.Ask},
		{Pattern: "GET " + one + "/events", Access: page.Viewer, Func: h.Events},
		{Pattern: "POST " + one + "/retry", Access: page.Viewer, Func: h.Retry},
		{Pattern: "POST " + one + "/stop", Access: page.Viewer, Func: h.Stop},
		{Pattern: "POST " + one + "/rename", Access: page.Viewer, Func: h.Rename},
		{Pattern: "POST " + one + "/share", Access: page.Viewer, Func: h.Share},
		{Pattern: "POST " + one + "/delete", Access: page.Viewer, Func: h.Delete},
		{Pattern: "GET " + one + "/sent/{seq}", Access: page.Viewer, Func: h.Sent},
		{Pattern: "GET " + one + "/export.md", Access: page.Viewer, Func: h.ExportMarkdown},
		{Pattern: "GET " + one + "/export.json", Access: page.Viewer, Func: h.ExportJSON},
	}
}
