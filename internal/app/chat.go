package app

import (
	"github.com/metalens/metalens/internal/chat"
	"github.com/metalens/metalens/internal/web"
	"github.com/metalens/metalens/internal/web/assist"
)

// conversations are what is answered beside the requests that ask for it.
type conversations struct {
	chats *chat.Service
	runs  *assist.Runs
}

// openConversations builds the chats and the agents on demand. Nothing is sent.
func (s *server) openConversations() (err error) {
	s.conversations.runs = assist.NewRuns(s.agents.service, s.env.Now)
	s.conversations.chats, err = chat.New(chat.Config{
		Store: s.store, Backend: s.agents.backend, Models: s.models.gateway, Setups: setups{s.models.settings}, Now: s.env.Now, Logger: s.log,
	})
	return err
}

// close stops what is being answered and waits for it.
func (c conversations) close() {
	if c.runs != nil {
		c.runs.Close()
	}
	if c.chats != nil {
		c.chats.Close()
	}
}

// assistPages adds the pages of both.
func (s *server) assistPages(pages *web.Config) {
	pages.Chat = s.conversations.chats
	pages.Assist = &web.Assist{Agents: s.agents.service, Runs: s.conversations.runs, Models: s.models.gateway}
}
