package brk

import (
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/check"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
)

// unsure lowers a claim that something does not exist where the scan may just
// not have seen it.
func unsure(p *check.Pass, kind catalog.Kind, d *check.Diagnostic) {
	why, certain := p.Complete(kind)
	if kind.IsCard() {
		why, certain = p.NoQuestion()
	}
	if !certain {
		d.Confidence = finding.Possible
		if d.Evidence.Texts == nil {
			d.Evidence.Texts = map[string]string{}
		}
		d.Evidence.Texts["uncertain_because"] = why
		d.Message = strings.TrimSuffix(d.Message, ".") + ", or cannot be seen: " + why + "."
	}
}

// spans are the places of an unresolved reference in the SQL.
func spans(u lineage.Unresolved) []finding.Span {
	if u.Span == nil {
		return nil
	}
	return []finding.Span{*u.Span}
}

// hasReason reports whether an unresolved reference has one of the reasons.
func hasReason(u lineage.Unresolved, reasons ...string) bool {
	return slices.Contains(reasons, u.Reason)
}

// unanalysed says why nothing is known about what a native query reads.
func unanalysed(u lineage.Unresolved) string {
	if u.Reason == "not_sql" {
		return "Its native query is in a language that is not SQL."
	}
	return "Its SQL was not analysed."
}

// tableName is what to call a table, known or not.
func tableName(p *check.Pass, r catalog.Ref) string {
	if p.Index.Asset(r) != nil {
		return p.Name(r)
	}
	_, schema, table, _, ok := catalog.SplitID(r.ID)
	switch {
	case !ok:
		return "table " + check.Clean(r.ID)
	case strings.HasPrefix(table, "#"):
		return "table number " + table[1:]
	case schema != "":
		return strconv.Quote(check.Clean(schema + "." + table))
	}
	return strconv.Quote(check.Clean(table))
}

// queryKinds are the kinds whose own query can be broken.
func queryKinds() []catalog.Kind {
	return []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindTransform}
}
