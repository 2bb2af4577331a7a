package outbound_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

func TestPolicy(t *testing.T) {
	var (
		public  = outbound.Policy{}
		private = outbound.Policy{AllowPrivate: true}
		local   = outbound.Policy{AllowLoopback: true}
		all     = outbound.Policy{AllowPrivate: true, AllowLoopback: true, AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}
	)
	for _, tc := range []struct {
		address                     string
		public, private, local, all bool
	}{
		{"8.8.8.8", true, true, true, true},
		{"2606:4700::1111", true, true, true, true},
		{"10.1.2.3", false, true, false, true},
		{"172.16.0.1", false, true, false, true},
		{"172.32.0.1", true, true, true, true},
		{"192.168.1.1", false, true, false, true},
		{"100.64.0.1", false, true, false, true},
		{"198.18.0.1", false, true, false, true},
		{"fc00::1", false, true, false, true},
		{"fd12:3456::1", false, true, false, true},
		{"127.0.0.1", false, false, true, true},
		{"127.9.9.9", false, false, true, true},
		{"::1", false, false, true, true},

		// Never, whatever the policy says.
		{"169.254.169.254", false, false, false, false},
		{"169.254.1.1", false, false, false, false},
		{"169.254.170.2", false, false, false, false},
		{"100.100.100.200", false, false, false, false},
		{"168.63.129.16", false, false, false, false},
		{"192.0.0.192", false, false, false, false},
		{"fd00:ec2::254", false, false, false, false},
		{"fd20:ce::254", false, false, false, false},
		{"fe80::1", false, false, false, false},
		{"fe80::1%eth0", false, false, false, false},
		{"0.0.0.0", false, false, false, false},
		{"0.1.2.3", false, false, false, false},
		{"::", false, false, false, false},
		{"224.0.0.1", false, false, false, false},
		{"239.255.255.250", false, false, false, false},
		{"255.255.255.255", false, false, false, false},
		{"240.0.0.1", false, false, false, false},
		{"ff02::1", false, false, false, false},

		// Disguises of the metadata address.
		{"::ffff:169.254.169.254", false, false, false, false},
		{"::169.254.169.254", false, false, false, false},
		{"::ffff:0:169.254.169.254", false, false, false, false},
		{"64:ff9b::169.254.169.254", false, false, false, false},
		{"64:ff9b:1::169.254.169.254", false, false, false, false},
		{"2002:a9fe:a9fe::1", false, false, false, false},
		{"2001:0:a9fe:a9fe::1", false, false, false, false},
		{"2001:0:808:808::5601:5601", false, false, false, false}, // Teredo client 169.254.169.254
		{"2606:4700::5efe:169.254.169.254", false, false, false, false},
		{"2606:4700::200:5efe:a9fe:a9fe", false, false, false, false},

		// Disguises of private and loopback addresses obey the policy.
		{"::ffff:10.0.0.1", false, true, false, true},
		{"::ffff:127.0.0.1", false, false, true, true},
		{"::127.0.0.1", false, false, true, true},
		{"64:ff9b::10.0.0.1", false, true, false, true},
		{"64:ff9b::8.8.8.8", true, true, true, true},
		{"2002:7f00:1::", false, false, true, true},
	} {
		to := netip.AddrPortFrom(netip.MustParseAddr(tc.address), 443)
		for name, c := range map[string]struct {
			p    outbound.Policy
			want bool
		}{"public": {public, tc.public}, "private": {private, tc.private}, "local": {local, tc.local}, "all": {all, tc.all}} {
			err := c.p.Check(to)
			if (err == nil) != c.want {
				t.Errorf("%s under %s: %v, want allowed %v", tc.address, name, err, c.want)
			}
			if err != nil && errs.CodeOf(err) != outbound.CodeBlocked {
				t.Errorf("%s: code %s", tc.address, errs.CodeOf(err))
			}
		}
	}
}

func TestPolicyRanges(t *testing.T) {
	p := outbound.Policy{AllowedCIDRs: []netip.Prefix{netip.MustParsePrefix("10.2.0.0/16")}}
	if err := p.Check(netip.MustParseAddrPort("10.2.3.4:80")); err != nil {
		t.Error(err)
	}
	if err := p.Check(netip.MustParseAddrPort("10.3.3.4:80")); err == nil {
		t.Error("an address outside the range was allowed")
	}
}

func TestPolicyOwnListeners(t *testing.T) {
	lan := netip.MustParseAddr("10.0.0.7")
	p := outbound.Policy{
		AllowLoopback: true, AllowPrivate: true,
		OwnListeners: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:7000"), netip.MustParseAddrPort("0.0.0.0:8000"), netip.MustParseAddrPort("[::]:9000")},
		LocalAddrs:   func() ([]netip.Addr, error) { return []netip.Addr{lan}, nil },
	}
	for address, want := range map[string]bool{
		"127.0.0.1:7000": false, "[::ffff:127.0.0.1]:7000": false, "127.0.0.1:7001": true, "10.0.0.7:7000": true,
		"127.0.0.1:8000": false, "127.5.5.5:8000": false, "10.0.0.7:8000": false, "10.0.0.8:8000": true, "[::1]:9000": false, "10.0.0.7:9000": false,
	} {
		if err := p.Check(netip.MustParseAddrPort(address)); (err == nil) != want {
			t.Errorf("%s: %v, want allowed %v", address, err, want)
		}
	}
	p.LocalAddrs = func() ([]netip.Addr, error) { return nil, errors.New("no") }
	if err := p.Check(netip.MustParseAddrPort("10.0.0.9:8000")); err == nil {
		t.Error("without knowing the machine's addresses the port must be refused")
	}
}
