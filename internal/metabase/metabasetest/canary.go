package metabasetest

import (
	"slices"
	"strings"
)

// Values planted in every place that a metadata reader has to drop (reference
// §5.1 and §5.3). None of them occurs in anything that may be kept.
const (
	canaryText   = "zqcanary"             // part of every planted text
	canaryNumber = "918273.645"           // in fingerprints, goals, thresholds
	canaryCount  = "271828182"            // row counts, distinct counts
	canaryTime   = "1987-06-05T04:03:02Z" // in date fingerprints
	canaryWord   = "31.41592"             // average text length
)

// Canaries returns the planted values: texts that must not be found in any
// store, log, page or report made from this world. Addresses and names of
// accounts' logins, public links and connection details are among them.
func (w *World) Canaries() []string {
	all := []string{canaryText, canaryNumber, canaryCount, canaryTime, canaryWord}
	for _, p := range w.People {
		if p.Email != "" {
			all = append(all, p.Email)
		}
	}
	outside := func(channels []Channel) {
		for _, c := range channels {
			all = append(all, c.Outside...)
		}
	}
	for _, s := range w.Subscriptions {
		outside(s.Channels)
	}
	for _, a := range w.Alerts {
		outside(a.Channels)
	}
	for _, c := range w.Cards {
		all = append(all, c.PublicUUID)
	}
	for _, d := range w.Dashboards {
		all = append(all, d.PublicUUID)
	}
	for _, a := range w.Actions {
		all = append(all, a.PublicUUID)
	}
	all = slices.DeleteFunc(all, func(s string) bool { return strings.TrimSpace(s) == "" })
	slices.Sort(all)
	return slices.Compact(all)
}
