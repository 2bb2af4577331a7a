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
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// Policy says which network addresses may be dialed. The zero value allows
// public addresses only. Link-local and cloud metadata addresses, unspecified,
// multicast and reserved ranges, and our own listeners are refused whatever the
// policy says.
type Policy struct {
	AllowLoopback bool             // 127.0.0.0/8, ::1
	AllowPrivate  bool             // RFC 1918, unique local, carrier-grade NAT
	AllowedCIDRs  []netip.Prefix   // single ranges out of the private and loopback ones
	OwnListeners  []netip.AddrPort // what MetaLens itself listens on; an unspecified address means all of this machine's
	// LocalAddrs lists this machine's addresses, for listeners bound to all of
	// them; nil asks the operating system.
	LocalAddrs func() ([]netip.Addr, error)
	// Own are further listeners of this process; shared, and added to while it runs.
	Own *Listeners
	// From are the addresses of this machine to send from, at most one of each
	// family; empty leaves the choice to the system. With some, a family without
	// one is not used beyond this machine.
	From []netip.Addr
	// Stopped reports whether traffic of a purpose is stopped by an operator. It is
	// asked before each exchange; nil stops nothing.
	Stopped func(ledger.Purpose) bool
}

// CodeStopped is the machine code of an exchange that an operator has stopped.
const CodeStopped = "traffic_stopped"

// permit answers errs.Forbidden (code traffic_stopped) while an operator has
// stopped traffic of a purpose.
func (p Policy) permit(purpose ledger.Purpose) error {
	if p.Stopped == nil || !p.Stopped(purpose) {
		return nil
	}
	return errs.New(errs.Forbidden, CodeStopped, "An operator has stopped this kind of outbound traffic ("+string(purpose)+").",
		"Ask whoever runs this MetaLens; it is allowed again under Controls of the operator console.")
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

// class is what kind of destination an address is.
type class int

const (
	classPublic class = iota
	classPrivate
	classLoopback
	classLinkLocal
	classMetadata
	classReserved
)

// prefixClass gives a range its class.
type prefixClass struct {
	prefix netip.Prefix
	class  class
}

// ranges lists everything that is not public. The most specific come first.
func ranges() []prefixClass {
	list := []struct {
		text  string
		class class
	}{
		// Metadata services of clouds, wherever they put them.
		{"169.254.169.254/32", classMetadata},     // AWS, GCP, Azure, DigitalOcean, Oracle, OpenStack
		{"169.254.170.2/32", classMetadata},       // AWS container credentials
		{"169.254.170.23/32", classMetadata},      // AWS pod identity
		{"100.100.100.200/32", classMetadata},     // Alibaba
		{"192.0.0.192/32", classMetadata},         // Oracle classic
		{"168.63.129.16/32", classMetadata},       // Azure wire server
		{"fd00:ec2::/32", classMetadata},          // AWS
		{"fd20:ce::254/128", classMetadata},       // GCP
		{"fd00:c1::a9fe:a9fe/128", classMetadata}, // Oracle
		{"fd00:42::42/128", classMetadata},        // Scaleway

		{"169.254.0.0/16", classLinkLocal},
		{"fe80::/10", classLinkLocal},
		{"fec0::/10", classLinkLocal},

		{"127.0.0.0/8", classLoopback},
		{"::1/128", classLoopback},

		{"10.0.0.0/8", classPrivate},
		{"172.16.0.0/12", classPrivate},
		{"192.168.0.0/16", classPrivate},
		{"100.64.0.0/10", classPrivate},
		{"198.18.0.0/15", classPrivate},
		{"fc00::/7", classPrivate},
		{"64:ff9b:1::/48", classPrivate}, // NAT64 of the local network

		{"0.0.0.0/8", classReserved},
		{"192.0.0.0/24", classReserved},
		{"192.0.2.0/24", classReserved},
		{"192.88.99.0/24", classReserved},
		{"198.51.100.0/24", classReserved},
		{"203.0.113.0/24", classReserved},
		{"224.0.0.0/3", classReserved}, // multicast, future use, broadcast
		{"::/128", classReserved},
		{"100::/64", classReserved},
		{"2001:db8::/32", classReserved},
		{"3fff::/20", classReserved},
		{"5f00::/16", classReserved},
		{"ff00::/8", classReserved},
	}
	out := make([]prefixClass, len(list))
	for i, r := range list {
		out[i] = prefixClass{netip.MustParsePrefix(r.text), r.class}
	}
	return out
}

// classify returns the class of one address, taken as it is.
func classify(a netip.Addr, table []prefixClass) class {
	for _, r := range table {
		if r.prefix.Contains(a) {
			return r.class
		}
	}
	return classPublic
}

// embedded returns the IPv4 addresses that an IPv6 address carries: mapped,
// compatible, translated, NAT64, 6to4, Teredo and ISATAP. A packet to such an
// address may end at the address inside.
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	v4 := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	in := func(prefix string) bool { return netip.MustParsePrefix(prefix).Contains(a) }
	var out []netip.Addr
	switch {
	case a.Is4In6(), in("::ffff:0:0:0/96"), in("64:ff9b::/96"), in("64:ff9b:1::/48"):
		out = append(out, v4(12))
	case in("::/96") && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback():
		out = append(out, v4(12))
	case in("2002::/16"):
		out = append(out, v4(2))
	case in("2001::/32"):
		out = append(out, v4(4), netip.AddrFrom4([4]byte{^b[12], ^b[13], ^b[14], ^b[15]}))
	}
	if (b[8] == 0 || b[8] == 2) && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe {
		out = append(out, v4(12))
	}
	return out
}

// Check decides about one resolved address. Its error has the code
// address_blocked and a text that says which rule spoke.
func (p Policy) Check(to netip.AddrPort) error {
	addr := to.Addr().WithZone("")
	if addr.Is4In6() {
		addr = addr.Unmap()
	}
	table := ranges()
	for _, a := range append([]netip.Addr{addr}, embedded(addr)...) {
		if err := p.checkOwn(netip.AddrPortFrom(a, to.Port())); err != nil {
			return err
		}
		if err := p.checkClass(a, classify(a, table)); err != nil {
			return err
		}
	}
	return nil
}

func (p Policy) checkClass(a netip.Addr, c class) error {
	allowed := slices.ContainsFunc(p.AllowedCIDRs, func(r netip.Prefix) bool { return r.Contains(a) })
	switch c {
	case classPublic:
		return nil
	case classLoopback:
		if p.AllowLoopback || allowed {
			return nil
		}
		return blocked("it is an address of the machine MetaLens runs on",
			"If the system really runs beside MetaLens, allow loopback addresses in MetaLens's configuration.")
	case classPrivate:
		if p.AllowPrivate || allowed {
			return nil
		}
		return blocked("it is an address of a private network",
			"If the system lives in your own network, the operator can allow private addresses, or just its range, in MetaLens's configuration.")
	case classMetadata:
		return blocked("it is the metadata service of a cloud, which hands out credentials", "Use the address of the system itself. This cannot be allowed.")
	case classLinkLocal:
		return blocked("it is a link-local address", "Use the address of the system itself. This cannot be allowed.")
	default:
		return blocked("it is a reserved or multicast address", "Use the address of the system itself. This cannot be allowed.")
	}
}

func (p Policy) checkOwn(to netip.AddrPort) error {
	for _, own := range append(p.Own.All(), p.OwnListeners...) {
		if own.Port() != to.Port() {
			continue
		}
		listen := own.Addr().WithZone("").Unmap()
		switch {
		case listen == to.Addr():
			return blocked("MetaLens itself listens there", "Use the address of the system you want to reach.")
		case !listen.IsUnspecified():
			continue
		case to.Addr().IsLoopback():
			return blocked("MetaLens itself listens there", "Use the address of the system you want to reach.")
		}
		list := p.LocalAddrs
		if list == nil {
			list = systemAddrs
		}
		local, err := list()
		if err != nil {
			return errs.Wrap(err, errs.Unavailable, CodeBlocked,
				"The address was refused because this machine's own addresses could not be listed.",
				"Bind MetaLens to one address instead of all.")
		}
		if slices.Contains(local, to.Addr()) {
			return blocked("MetaLens itself listens there", "Use the address of the system you want to reach.")
		}
	}
	return nil
}

func blocked(why, hint string) error {
	return errs.New(errs.Unavailable, CodeBlocked, "The address was refused: "+why+".", hint)
}

// metadataNames are the names under which clouds offer their metadata service.
// Whatever they resolve to, they are refused before anything is resolved.
func metadataNames() []string {
	return []string{
		"metadata.google.internal", "metadata.goog", "metadata", "instance-data", "instance-data.ec2.internal",
		"metadata.azure.internal", "metadata.azure.com", "metadata.platformequinix.com", "metadata.packet.net", "metadata.tencentyun.com",
		"metadata.oraclecloud.com", "metadata.digitalocean.com", "rancher-metadata", "rancher-metadata.rancher.internal", "api.metadata.cloud.ibm.com",
	}
}

// checkHost refuses host texts that must not even reach a resolver or a proxy:
// literal addresses against the policy, names of metadata services, our own
// public names, and numbers that some resolvers take for addresses (0x7f.1,
// 2130706433). It sees the name as a dialer would: in ASCII, without the dot at
// its end.
func (p Policy) checkHost(host string, port uint16) error {
	neither := func() error {
		return blocked("it is neither a name nor a plain address", "Write the address as a name, as 192.0.2.10 or as [2001:db8::1].")
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return p.Check(netip.AddrPortFrom(a, port))
	}
	host, err := idna.New(idna.MapForLookup(), idna.StrictDomainName(false)).ToASCII(host)
	if err != nil || strings.ContainsFunc(host, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("%@/\\?#[]:", r) }) {
		return neither()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if a, err := netip.ParseAddr(host); err == nil {
		return p.Check(netip.AddrPortFrom(a, port))
	}
	if slices.Contains(metadataNames(), host) {
		return p.checkClass(netip.Addr{}, classMetadata)
	}
	if p.Own.isSite(net.JoinHostPort(host, strconv.Itoa(int(port)))) {
		return blocked("MetaLens itself answers there", "Use the address of the system you want to reach.")
	}
	last := host[strings.LastIndexByte(host, '.')+1:]
	if last == "" || isNumeric(last) {
		return neither()
	}
	return nil
}

// isNumeric reports whether a label reads as a decimal, octal or hexadecimal number.
func isNumeric(label string) bool {
	if rest, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}
