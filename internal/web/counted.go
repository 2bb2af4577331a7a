package web

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// countedListener closes connections beyond what one address, or all together,
// may hold open: before a handshake, so that refusing costs next to nothing.
type countedListener struct {
	net.Listener
	perAddress, together int
	uncounted            []netip.Prefix

	mu    sync.Mutex
	open  map[netip.Prefix]int
	total int
}

func newCounted(l net.Listener, perAddress, together int, uncounted []netip.Prefix) *countedListener {
	return &countedListener{Listener: l, perAddress: perAddress, together: together, uncounted: uncounted, open: map[netip.Prefix]int{}}
}

// Accept implements net.Listener.
func (l *countedListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		who, exempt := l.of(c.RemoteAddr())
		if exempt {
			return c, nil
		}
		if l.take(who) {
			return &countedConn{Conn: c, release: sync.OnceFunc(func() { l.give(who) })}, nil
		}
		_ = c.Close() // nobody is owed an answer
	}
}

// of returns whose connection counts together: an IPv4 address, or the network
// of one IPv6 customer.
func (l *countedListener) of(a net.Addr) (who netip.Prefix, exempt bool) {
	peer, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}, false
	}
	addr := peer.Addr().WithZone("").Unmap()
	if slices.ContainsFunc(l.uncounted, func(p netip.Prefix) bool { return p.Contains(addr) }) {
		return netip.Prefix{}, true
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	who, err = addr.Prefix(bits)
	if err != nil {
		return netip.Prefix{}, false
	}
	return who, false
}

func (l *countedListener) take(who netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[who] >= l.perAddress || l.total >= l.together {
		return false
	}
	l.open[who]++
	l.total++
	return true
}

func (l *countedListener) give(who netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[who]--; l.open[who] <= 0 {
		delete(l.open, who)
	}
	l.total--
}

type countedConn struct {
	net.Conn
	release func()
}

// Close implements net.Conn.
func (c *countedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
