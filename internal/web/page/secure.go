package page

// Secure reports whether browsers reach the pages over TLS, here or at a proxy.
func (q *Request) Secure() bool { return q.site.cfg.Secure }
