// Package metrics are the figures that Prometheus reads from the operator
// console: requests by area, jobs by kind and state, sizes, the Go runtime.
// Labels are closed sets of ours; no name, id, host or text becomes one.
package metrics

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
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
	// Read returns the figures of this moment; nil: there are none.
	Read   func(ctx context.Context) ([]Gauge, error)
	Logger *slog.Logger // nil = silent
}

// Set counts and answers. It is safe for concurrent use.
type Set struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

// readTimeout ends a reading whose database does not answer.
const readTimeout = 10 * time.Second

// New returns a set.
func New(cfg Config) *Set {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
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
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), reader{cfg.Read, cfg.Logger})
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
	log  *slog.Logger
}

// Describe implements [prometheus.Collector]: which figures there are is known
// when they are read.
func (reader) Describe(chan<- *prometheus.Desc) {}

// Collect implements [prometheus.Collector].
func (r reader) Collect(out chan<- prometheus.Metric) {
	ok := 1.0
	if r.read != nil {
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		defer cancel()
		list, err := r.read(ctx)
		if err != nil {
			ok = 0
			r.log.WarnContext(ctx, "the figures for Prometheus cannot be read", "error", err)
		}
		for _, g := range list {
			out <- prometheus.MustNewConstMetric(prometheus.NewDesc("metalens_"+g.Name, g.Help, nil, g.Labels), prometheus.GaugeValue, g.Value)
		}
	}
	out <- prometheus.MustNewConstMetric(prometheus.NewDesc("metalens_up", "1 when the database answered this reading.", nil, nil), prometheus.GaugeValue, ok)
}
