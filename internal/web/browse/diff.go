package browse

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/web/ui"
)

// version is one state of an asset and how it differs from the one before.
type version struct {
	At      time.Time
	First   bool // the oldest one kept
	Gone    bool
	Current bool
	Fields  []fieldChange
	More    int // changes beyond those listed
	Texts   []textChange
}

type fieldChange struct {
	Name, Before, After string
	What                string // added, removed, changed
}

// textChange is a changed text of several lines.
type textChange struct {
	Name  string
	Lines []diffLine
}

type diffLine struct {
	Op   string // same, added, removed, gap
	Text string
}

const (
	maxFields  = 60
	maxShort   = 240
	maxCompare = 2400 // lines, before and after together
)

func versionsOf(list []Version) []version {
	out := make([]version, 0, len(list))
	for i, v := range list {
		one := version{At: v.SeenAt, Gone: v.Asset == nil, Current: v.ToSeq == 0}
		if i+1 == len(list) {
			one.First = true
		} else if before := list[i+1].Asset; before != nil && v.Asset != nil {
			one.Fields, one.Texts = compare(before, v.Asset)
			if len(one.Fields) > maxFields {
				one.More = len(one.Fields) - maxFields
				one.Fields = one.Fields[:maxFields]
			}
		}
		out = append(out, one)
	}
	return out
}

// compare lists what an edit changed, field by field; texts of several lines
// line by line.
func compare(before, after catalog.Asset) ([]fieldChange, []textChange) {
	a, b := flatten(before), flatten(after)
	names := map[string]bool{}
	for k := range a {
		names[k] = true
	}
	for k := range b {
		names[k] = true
	}
	var fields []fieldChange
	var texts []textChange
	for _, k := range slices.Sorted(maps.Keys(names)) {
		x, had := a[k]
		y, has := b[k]
		if had && has && x == y {
			continue
		}
		if strings.Contains(x, "\n") || strings.Contains(y, "\n") {
			texts = append(texts, textChange{Name: fieldName(k), Lines: diffLines(x, y)})
			continue
		}
		c := fieldChange{Name: fieldName(k), Before: short(x), After: short(y), What: "changed"}
		switch {
		case !had:
			c.What = "added"
		case !has:
			c.What = "removed"
		}
		fields = append(fields, c)
	}
	return fields, texts
}

func short(s string) string { return ui.Clip(ui.Clean(s), maxShort) }

// flatten turns an asset's definition into paths and values. Elements of lists
// go by their id or name, so that a new element does not move the others.
func flatten(a catalog.Asset) map[string]string {
	out := map[string]string{}
	data, err := json.Marshal(a)
	if err != nil {
		return out // definitions are plain data: cannot happen
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		return out
	}
	flattenInto(out, "", v)
	return out
}

func flattenInto(out map[string]string, path string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			// A query in Metabase's own language is compared as a text: its paths
			// would say nothing to a reader.
			if k == "mbql" || k == "definition" || k == "visualization" || k == "target" || k == "dimension" {
				if text, err := json.MarshalIndent(item, "", "  "); err == nil {
					out[join(path, k)] = string(text)
					continue
				}
			}
			flattenInto(out, join(path, k), item)
		}
	case []any:
		for i, item := range v {
			flattenInto(out, join(path, elementName(item, i)), item)
		}
	case nil:
	case string:
		out[path] = v
	case float64:
		out[path] = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		out[path] = fmt.Sprint(v)
	}
}

func elementName(item any, i int) string {
	switch item := item.(type) {
	case map[string]any:
		for _, key := range []string{"id", "name", "parameter_id"} {
			if text, ok := item[key].(string); ok && text != "" {
				return text
			}
		}
	case string:
		return item
	}
	return strconv.Itoa(i + 1)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "\x00" + name
}

// fieldName writes a path for people: "query › sql".
func fieldName(path string) string {
	parts := strings.Split(path, "\x00")
	for i, p := range parts {
		parts[i] = ui.Clip(ui.Clean(strings.ReplaceAll(p, "_", " ")), 60)
	}
	return strings.Join(parts, " › ")
}

// diffLines compares two texts line by line and keeps three lines around each
// change.
func diffLines(before, after string) []diffLine {
	a, b := splitLines(before), splitLines(after)
	var all []diffLine
	if len(a)+len(b) > maxCompare {
		for _, l := range a {
			all = append(all, diffLine{"removed", l})
		}
		for _, l := range b {
			all = append(all, diffLine{"added", l})
		}
		return all
	}
	// The head and tail that agree are cut off first: edits are small.
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	for _, l := range a[:head] {
		all = append(all, diffLine{"same", l})
	}
	all = append(all, middle(a[head:len(a)-tail], b[head:len(b)-tail])...)
	for _, l := range a[len(a)-tail:] {
		all = append(all, diffLine{"same", l})
	}
	return around(all, 3)
}

func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(ui.CleanLines(s), "\n")
}

// middle is the longest common subsequence of two lists of lines, told as a diff.
func middle(a, b []string) []diffLine {
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out []diffLine
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, diffLine{"same", a[i]})
			i, j = i+1, j+1
		case j == len(b) || (i < len(a) && length[i+1][j] >= length[i][j+1]):
			out = append(out, diffLine{"removed", a[i]})
			i++
		default:
			out = append(out, diffLine{"added", b[j]})
			j++
		}
	}
	return out
}

// around keeps n unchanged lines beside each change and marks what was left out.
func around(all []diffLine, n int) []diffLine {
	keep := make([]bool, len(all))
	for i, l := range all {
		if l.Op == "same" {
			continue
		}
		for j := max(0, i-n); j <= min(len(all)-1, i+n); j++ {
			keep[j] = true
		}
	}
	var out []diffLine
	skipped := 0
	flush := func() {
		if skipped > 0 {
			out = append(out, diffLine{"gap", ui.Count(skipped, "line", "lines") + " unchanged"})
			skipped = 0
		}
	}
	for i, l := range all {
		if !keep[i] {
			skipped++
			continue
		}
		flush()
		out = append(out, l)
	}
	flush()
	return out
}
