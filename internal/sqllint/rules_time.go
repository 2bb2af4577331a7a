package sqllint

import (
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/sqllens"
)

// eventTable names tables that grow with every click.
var eventTable = regexp.MustCompile(`(?i)(^|_)(events?|logs?|page_?views?|clicks?|impressions?|hits|telemetry|activity_log|audit_log|access_log|sensor_readings?|pings?|tracks)$`)

// timeFilter finds reads of a growing table from its first day. Only tables
// that the scan knows count: which column says the time must be known.
func (s *scope) timeFilter(conditions []*sqllens.Expr) {
	for k, it := range s.items {
		t := it.table
		if t == nil || t.ColumnsUnread {
			continue
		}
		partition, times := timeColumns(t)
		forced := t.RequireFilter && partition != nil
		switch {
		case partition != nil:
		case eventTable.MatchString(t.Name) && len(times) > 0:
		default:
			continue
		}
		if s.narrowed(k, partition, times, conditions) {
			continue
		}
		confidence := finding.Possible
		if partition != nil {
			confidence = finding.Likely
		}
		if forced {
			confidence = finding.Certain
		}
		s.l.remark(NoTimeFilter, it.node.Span, confidence, t.Name)
	}
}

// timeColumns finds the columns that say when.
func timeColumns(t *catalog.Table) (partition *catalog.Column, times []*catalog.Column) {
	for _, c := range t.Columns {
		if c.Inactive {
			continue
		}
		if c.Partitioned != nil && *c.Partitioned {
			partition = c
		}
		if strings.HasPrefix(c.BaseType, "type/Date") || c.BaseType == "type/Instant" {
			times = append(times, c)
		}
	}
	return partition, times
}

// narrowed reports whether a condition, a field filter or a limit bounds what
// is read of an item.
func (s *scope) narrowed(k int, partition *catalog.Column, times []*catalog.Column, conditions []*sqllens.Expr) bool {
	wanted := map[string]bool{}
	if partition != nil {
		wanted[strings.ToLower(partition.Name)] = true
		for _, pseudo := range []string{"_partitiontime", "_partitiondate", "_table_suffix"} {
			wanted[pseudo] = true
		}
	} else {
		for _, c := range times {
			wanted[strings.ToLower(c.Name)] = true
		}
	}
	for _, c := range conditions {
		found := contains(c, func(x *sqllens.Expr) bool {
			switch x.Kind {
			case sqllens.ExprColumn:
				if o := s.owner(x); o >= 0 && o != k {
					return false
				}
				name := strings.ToLower(x.Name[len(x.Name)-1].Text)
				return wanted[name] || partition == nil && keyName(name) && isOp(c, "=") // one record's events
			case sqllens.ExprTag:
				tag, declared := s.l.in.Tags[x.Tag.Name]
				if !declared || tag.Type != "dimension" {
					return x.Tag.Kind == sqllens.TagSnippet
				}
				return tag.Column == nil || wanted[strings.ToLower(tag.Column.Name)]
			case sqllens.ExprUnknown:
				return true
			case sqllens.ExprQuery, sqllens.ExprExists:
				return partition == nil
			}
			return false
		})
		if found {
			return true
		}
	}
	return false
}
