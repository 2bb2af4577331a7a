package api

import (
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/errs"
)

const (
	rateLimit  = 600 // requests of one token in a window
	rateWindow = time.Minute
	maxRates   = 10_000
)

// rates counts requests by token. The zero value is ready.
type rates struct {
	mu   sync.Mutex
	used map[string]window
}

type window struct {
	n     int
	since time.Time
}

// take counts a request and tells the caller what is left.
func (l *rates) take(w http.ResponseWriter, token string, now time.Time) error {
	l.mu.Lock()
	if l.used == nil {
		l.used = map[string]window{}
	}
	if len(l.used) >= maxRates {
		for k, v := range l.used {
			if now.Sub(v.since) >= rateWindow {
				delete(l.used, k)
			}
		}
	}
	v := l.used[token]
	if v.n == 0 || now.Sub(v.since) >= rateWindow {
		v = window{since: now}
	}
	v.n++
	l.used[token] = v
	l.mu.Unlock()
	rest := rateWindow - now.Sub(v.since)
	h := w.Header()
	h.Set("RateLimit-Limit", strconv.Itoa(rateLimit))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, rateLimit-v.n)))
	h.Set("RateLimit-Reset", strconv.Itoa(int(math.Ceil(rest.Seconds()))))
	if v.n > rateLimit {
		return errs.Wrap(&auth.ThrottledError{RetryAfter: rest}, errs.Limited, "rate_limited", "This token has sent too many requests.", "Wait as Retry-After says.")
	}
	return nil
}
