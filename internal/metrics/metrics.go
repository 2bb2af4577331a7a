// Package metrics are the figures that Prometheus reads from the operator
// console: requests by area, jobs by kind and state, sizes, the Go runtime.
// Labels are closed sets of ours; no name, id, host or text becomes one.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Gauge is a figure that is asked for at each reading.
type Gauge struct {
	Name   string            // after metalens_
	Help   string            // with the unit
	Labels map[string]string // of closed sets
	Value  float64
}

// Config is what a [Set] needs.
type Config struct {
	Version string
	// Read returns the figures of this moment; nil: there are none. It is called
	// once a minute at most, however many ask how often.
	Read   func(ctx context.Context) ([]Gauge, error)
	Now    func() time.Time // nil = time.Now
	Logger *slog.Logger     // nil = silent
}

// Set counts and answers. It is safe for concurrent use.
type Set struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// Figures are read again after figuresLife, after a failure already after
// failureLife.
const (
	figuresLife = time.Minute
	failureLife = 10 * time.Second
)

// readTimeout ends a reading whose database does not answer.
const readTimeout = 10 * time.Second

// New returns a set.
func New(cfg Config) *Set {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Set{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "metalens_http_requests_total", Help: "Requests answered, by area of the pages, method and status.",
		}, []string{"area", "method", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "metalens_http_request_seconds", Help: "Time to answer a request, in seconds, by area of the pages.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"area"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "metalens_build_info", Help: "1, with the version.", ConstLabels: prometheus.Labels{"version": cfg.Version},
	})
	info.Set(1)
	s.registry.MustRegister(s.requests, s.seconds, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &reader{read: cfg.Read, now: cfg.Now, log: cfg.Logger})
	return s
}

// Observe counts a request. area must be of a closed set; unknown methods count
// as other.
func (s *Set) Observe(area, method string, status int, took time.Duration) {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		method = "other"
	}
	s.requests.WithLabelValues(area, method, strconv.Itoa(status)).Inc()
	s.seconds.WithLabelValues(area).Observe(took.Seconds())
}

// Handler answers with all figures.
func (s *Set) Handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 2, Timeout: 2 * readTimeout})
}

// reader is the collector of [Config.Read].
type reader struct {
	read func(context.Context) ([]Gauge, error)
	now  func() time.Time
	log  *slog.Logger

	mu    sync.Mutex // held while the database is read: nobody else reads it then
	list  []Gauge
	at    time.Time // when the list was read; zero: never
	until time.Time // how long it is good for
	ok    bool
}

// Describe implements [prometheus.Collector]: which figures there are is known
// when they are read.
func (*reader) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (r *reader) Collect(out chan<- prometheus.Metric) {
	list, age, up := r.figures()
	for _, g := range list {
		out <- gauge(g)
	}
	out <- gauge(Gauge{Name: "figures_age_seconds", Help: "Seconds since the figures of the database were read.", Value: age.Seconds()})
	out <- gauge(Gauge{Name: "up", Help: "1 when the database answered the last reading.", Value: up})
}

func gauge(g Gauge) prometheus.Metric {
	return prometheus.MustNewConstMetric(prometheus.NewDesc("metalens_"+g.Name, g.Help, nil, g.Labels), prometheus.GaugeValue, g.Value)
}

// figures returns the figures, how old they are, and 1 when they could be read.
func (r *reader) figures() (list []Gauge, age time.Duration, up float64) {
	if r.read == nil {
		return nil, 0, 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.at.IsZero() || !now.Before(r.until) {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		list, err := r.read(ctx)
		r.ok, r.list, r.at, r.until = err == nil, list, now, now.Add(figuresLife)
		if err != nil {
			r.list, r.until = nil, now.Add(failureLife)
			r.log.WarnContext(ctx, "the figures for Prometheus cannot be read", "error", err)
		}
	}
	if r.ok {
		up = 1
	}
	return r.list, now.Sub(r.at), up
}
