// Package outbound is the one way out: every connection that MetaLens opens to
// another system, now or later, is dialed here.
//
// It holds three rules that no caller can switch off by omission. An address
// policy is applied to the network address after DNS, inside the dialer, so that
// a name that resolves differently a second time gains nothing. A TLS policy
// asks for TLS 1.3 and refuses plain HTTP beyond this machine unless a person
// accepted the exception. And every exchange is recorded in the egress ledger:
// nothing is built without a recorder, and anything that is not a plain Metabase
// read is recorded, durably, before its first byte leaves.
package outbound

import (
	"net"
	"net/netip"
)

// Policy says which network addresses may be dialed. The zero value allows
// public addresses only. Link-local and cloud metadata addresses, unspecified,
// multicast and reserved ranges, and our own listeners are refused whatever the
// policy says.
type Policy struct {
	AllowLoopback bool           // 127.0.0.0/8, ::1
	AllowPrivate  bool           // RFC 1918, unique local, carrier-grade NAT
	AllowedCIDRs  []netip.Prefix // further ranges out of the private and loopback ones
	OwnListeners  []netip.AddrPort
	// LocalAddrs lists this machine's addresses for listeners bound to all of
	// them; nil asks the operating system.
	LocalAddrs func() ([]netip.Addr, error)
}

// systemAddrs lists the addresses of this machine's interfaces.
func systemAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			out = append(out, p.Addr().Unmap())
		}
	}
	return out, nil
}
