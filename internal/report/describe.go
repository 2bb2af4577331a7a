package report

import "github.com/metalens/metalens/internal/catalog"

// Asset is one asset as the JSON document describes it.
type Asset = assetEntry

// Describe describes one asset of a snapshot alone, as the JSON document would.
func Describe(x *catalog.Index, a catalog.Asset) Asset {
	d := &document{in: &Input{Snapshot: x.Snapshot()}, index: x}
	return d.asset(a)
}

// DescribeColumn is [Describe] for a column; ok is false for an unknown one.
func DescribeColumn(x *catalog.Index, id string) (found Asset, ok bool) {
	c := x.Column(id)
	if c == nil {
		return Asset{}, false
	}
	t := x.Table(catalog.TableOfColumn(id))
	if t == nil {
		return Asset{}, false
	}
	d := &document{in: &Input{Snapshot: x.Snapshot()}, index: x}
	return d.column(t, c), true
}
