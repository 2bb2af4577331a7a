package main

import (
	"sync"

	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// running finds the fake that a script started by its address.
var running = fakes{servers: map[string]*counted{}}

type fakes struct {
	mu      sync.Mutex
	servers map[string]*counted
}

type counted struct {
	server *metabasetest.Server
	seen   int
}

func (f *fakes) put(url string, s *metabasetest.Server) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.servers[url] = &counted{server: s}
}

// since counts the requests since it was last asked.
func (f *fakes) since(url string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.servers[url]
	all := len(c.server.Requests())
	n := all - c.seen
	c.seen = all
	return n
}
