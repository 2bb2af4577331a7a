package dup

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/similar"
)

// clusters lists the clusters of a kind whose members are dashboards or not.
func clusters(p *check.Pass, kind similar.Kind, dashboards bool) []similar.Cluster {
	var out []similar.Cluster
	for _, c := range p.Clusters {
		if c.Kind == kind && (c.Keep.Kind == catalog.KindDashboard) == dashboards {
			out = append(out, c)
		}
	}
	return out
}

// byID indexes the clusters of every kind.
func byID(p *check.Pass) map[string]*similar.Cluster {
	out := make(map[string]*similar.Cluster, len(p.Clusters))
	for i := range p.Clusters {
		out[p.Clusters[i].ID] = &p.Clusters[i]
	}
	return out
}

// others lists the members that a looser cluster adds: one for each stricter
// cluster inside, the one that this keeps, and none for the stricter cluster
// that holds the one to keep. The rest is reported by the checks of the stricter
// kinds.
func others(all map[string]*similar.Cluster, c similar.Cluster) []catalog.Ref {
	inside := map[catalog.Ref]*similar.Cluster{}
	for _, id := range c.Contains {
		if s := all[id]; s != nil {
			for _, m := range s.Members {
				inside[m] = s
			}
		}
	}
	var out []catalog.Ref
	for _, m := range c.Members {
		in := inside[m]
		if m == c.Keep || in != nil && (in.Keep != m || in == inside[c.Keep]) {
			continue
		}
		out = append(out, m)
	}
	return out
}

// apart reports whether two questions are known to read nothing in common: one
// is the template of the other, over other data.
func apart(p *check.Pass, a, b catalog.Ref) bool {
	sources := func(r catalog.Ref) (out []catalog.Ref) {
		for _, e := range p.Graph.Sources(r) {
			if e.From.Kind == catalog.KindTable || e.From.Kind.IsCard() && e.Via != lineage.ViaParameterSource {
				out = append(out, e.From)
			}
		}
		return out
	}
	left, right := sources(a), sources(b)
	return len(left) > 0 && len(right) > 0 && !slices.ContainsFunc(left, func(r catalog.Ref) bool { return slices.Contains(right, r) })
}

// unread notes the questions whose query is not known.
func unread(p *check.Pass) {
	for q := range p.Questions() {
		if q.Unreadable {
			p.NotEvaluated(q.Ref(), "Its query could not be read.")
		}
	}
}

// differences are the first differences of a comparison, cleaned.
func differences(words []string, most int) []string {
	var out []string
	for _, w := range words[:min(most, len(words))] {
		out = append(out, check.Clean(w))
	}
	return out
}

// sentence ends a text with a full stop, unless it was cut short.
func sentence(text string) string {
	if strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}
