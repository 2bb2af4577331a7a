package app

import (
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/tlsserver"
)

// transport examines how serve would protect its pages, and from which addresses
// MetaLens talks to others.
func (x *examination) transport(cfg config.Config) {
	if err := cfg.CheckTransport(); err != nil {
		x.fail(err)
		return
	}
	switch {
	case cfg.TLS.CertFile != "":
		x.certificate(cfg)
	case len(cfg.ACME.Hosts) > 0:
		x.ok("serve gets its certificate for %s from %s", strings.Join(cfg.ACME.Hosts, ", "), cfg.ACME.Directory)
		if list, err := os.ReadDir(filepath.Join(cfg.Data, "acme")); err == nil && len(list) > 0 {
			x.ok("an earlier certificate is kept, sealed")
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			x.warn("The folder of kept certificates cannot be read.", "Give it to the user that runs MetaLens: "+filepath.Join(cfg.Data, "acme"))
		}
	case cfg.Server.BehindProxy:
		x.ok("serve listens on %s in plain text behind a declared proxy, for %s", cfg.Server.Listen, cfg.Server.PublicURL)
	default:
		x.ok("serve listens on %s, which only this machine reaches", cfg.Server.Listen)
	}
	if len(cfg.Egress.Addresses) > 0 {
		x.ok("others see MetaLens come from %s: let that through firewalls in front of them", listed(cfg.Egress.Addresses))
	}
	if len(cfg.Egress.Bind) == 0 {
		return
	}
	mine, err := net.InterfaceAddrs()
	if err != nil {
		x.warn("This machine's own addresses cannot be listed.", "")
		return
	}
	for _, a := range cfg.Egress.Bind {
		if !slices.ContainsFunc(mine, func(m net.Addr) bool {
			p, err := netip.ParsePrefix(m.String())
			return err == nil && p.Addr().Unmap() == a
		}) {
			x.fail(errs.New(errs.Invalid, "bad_egress", a.String()+" is no address of this machine, so nothing can be sent from it.", "Correct egress.bind, or give the address to an interface."))
			continue
		}
		x.ok("connections to others are opened from %s", a)
	}
}

func listed(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// certificate reads the files as serve would.
func (x *examination) certificate(cfg config.Config) {
	s, err := tlsserver.New(tlsserver.Config{CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile, Now: x.env.Now})
	if err != nil {
		x.fail(err)
		return
	}
	st := s.Status()
	if warning := st.Warning(x.env.Now()); warning != "" {
		x.warn(warning, "Renew it; serve reads the files again by itself.")
		return
	}
	x.ok("the certificate for %s is good until %s", strings.Join(st.Names, ", "), st.NotAfter.UTC().Format(time.DateOnly))
}
