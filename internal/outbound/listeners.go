package outbound

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// Listeners are the addresses that this MetaLens answers on: the pages, the
// operator's console, the ACME challenges. Every policy of the process shares
// one, so that a listener that is added later is refused from then on. The nil
// pointer holds none. It is safe for concurrent use.
type Listeners struct {
	mu    sync.RWMutex
	addrs []netip.AddrPort
	sites []string // host:port, lower case
}

// Add notes a listener; an unspecified address means all of this machine's.
func (l *Listeners) Add(addr netip.AddrPort) {
	if !addr.IsValid() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addrs = append(l.addrs, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
}

// AddListener notes the address of a net.Listener.
func (l *Listeners) AddListener(from net.Listener) {
	if tcp, ok := from.Addr().(*net.TCPAddr); ok {
		l.Add(tcp.AddrPort())
	}
}

// AddSite notes a public name (host:port) that leads back here, through a
// reverse proxy for example.
func (l *Listeners) AddSite(hostport string) {
	if _, _, err := net.SplitHostPort(hostport); err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sites = append(l.sites, strings.ToLower(hostport))
}

// All lists the listeners' addresses.
func (l *Listeners) All() []netip.AddrPort {
	if l == nil {
		return nil
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.addrs)
}

func (l *Listeners) isSite(hostport string) bool {
	if l == nil {
		return false
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Contains(l.sites, hostport)
}
