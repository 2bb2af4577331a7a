package web

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// fromProxy reports whether a request comes from a declared reverse proxy;
// loopback is one where proxies are the only way in.
func fromProxy(cfg Config, r *http.Request) bool {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	addr := peer.Addr().WithZone("").Unmap()
	return err == nil && (cfg.OnlyProxies && addr.IsLoopback() || slices.ContainsFunc(cfg.TrustedProxies, func(p netip.Prefix) bool { return p.Contains(addr) }))
}

// proxied refuses callers that do not come through a declared proxy.
func proxied(cfg Config, next http.Handler) http.Handler {
	if !cfg.OnlyProxies {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !fromProxy(cfg, r) && !probe(r) {
			plain(w, http.StatusForbidden, "This MetaLens is reached through its reverse proxy only.")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// probe reports whether a request asks for the state of the service, as load
// balancers do from anywhere and without TLS.
func probe(r *http.Request) bool { return r.URL.Path == "/healthz" || r.URL.Path == "/readyz" }

// encrypted sends callers on to HTTPS of whom a declared proxy says that they
// came without it, where the pages are HTTPS's. What was sent to be changed is
// refused: it has crossed the network in clear, and must not be repeated unseen.
func encrypted(cfg Config, next http.Handler) http.Handler {
	if !cfg.Secure {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-Proto"), ","), ",")
		if !strings.EqualFold(strings.TrimSpace(hops[len(hops)-1]), "http") || probe(r) || !fromProxy(cfg, r) {
			next.ServeHTTP(w, r)
			return
		}
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			plain(w, http.StatusForbidden, "This MetaLens is reached over HTTPS only. What you sent crossed the network unprotected: if it was a password or a key, change it.")
			return
		}
		http.Redirect(w, r, "https://"+strings.TrimSuffix(r.Host, ":80")+r.URL.RequestURI(), http.StatusMovedPermanently) //nolint:gosec // the host is one of ours: see [hosts]
	})
}
