package outbound

import (
	"net/netip"
	"syscall"
)

// source picks the address to send from, for a destination. The zero address
// leaves the choice to the system: nothing is configured, or the destination is
// this machine.
func (p Policy) source(to netip.Addr) (netip.Addr, error) {
	if len(p.From) == 0 || to.IsLoopback() {
		return netip.Addr{}, nil
	}
	for _, a := range p.From {
		if a.Is4() == to.Is4() {
			return a, nil
		}
	}
	return netip.Addr{}, blocked("no egress address of its kind (IPv4 or IPv6) is configured", "The operator can name one in egress.bind.")
}

// bind ties a socket that is about to connect to an address of this machine.
func bind(c syscall.RawConn, from netip.Addr) error {
	var to syscall.Sockaddr = &syscall.SockaddrInet6{Addr: from.As16()}
	if from.Is4() {
		to = &syscall.SockaddrInet4{Addr: from.As4()}
	}
	var failed error
	if err := c.Control(func(fd uintptr) { failed = syscall.Bind(int(fd), to) }); err != nil {
		return err
	}
	return failed
}
