package lineageview

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/web/ui"
)

const (
	defaultSteps = 2
	maxSteps     = 6
	maxOpened    = 60 // openings in one address
	openMore     = 20 // neighbours that one opening adds
	modeColumns  = "columns"
)

// state is what the address says: where to start, how far, what was opened.
type state struct {
	root     catalog.Ref
	up, down int
	columns  bool
	opened   []lineage.Opened
}

func readState(root catalog.Ref, query url.Values) state {
	s := state{root: root, up: steps(query.Get("up")), down: steps(query.Get("down")), columns: query.Get("mode") == modeColumns}
	for _, text := range query["open"] {
		if o, ok := readOpened(text); ok && len(s.opened) < maxOpened {
			s.opened = append(s.opened, o)
		}
	}
	return s
}

func steps(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return defaultSteps
	}
	return min(n, maxSteps)
}

// readOpened reads "down.20.question:12".
func readOpened(text string) (lineage.Opened, bool) {
	parts := strings.SplitN(text, ".", 3)
	if len(parts) != 3 {
		return lineage.Opened{}, false
	}
	d := lineage.Direction(parts[0])
	n, err := strconv.Atoi(parts[1])
	at, ok := catalog.ParseRef(parts[2])
	if err != nil || n < 1 || n > lineage.MaxNeighbors || !ok || d != lineage.ToSources && d != lineage.ToUsers {
		return lineage.Opened{}, false
	}
	return lineage.Opened{At: at, Direction: d, Count: n}, true
}

// query writes the state without what goes without saying.
func (s state) query() url.Values {
	v := url.Values{}
	if s.up != defaultSteps {
		v.Set("up", strconv.Itoa(s.up))
	}
	if s.down != defaultSteps {
		v.Set("down", strconv.Itoa(s.down))
	}
	if s.columns {
		v.Set("mode", modeColumns)
	}
	for _, o := range s.opened {
		v.Add("open", string(o.Direction)+"."+strconv.Itoa(o.Count)+"."+o.At.String())
	}
	return v
}

// address is the page in this state.
func (s state) address(base string) string {
	return ui.Address(ui.LineagePath(base, s.root), s.query())
}

// open returns the state with more neighbours of an asset shown.
func (s state) open(r catalog.Ref, d lineage.Direction) state {
	s.opened = slices.Clone(s.opened)
	for i, o := range s.opened {
		if o.At == r && o.Direction == d {
			s.opened[i].Count = min(o.Count+openMore, lineage.MaxNeighbors)
			return s
		}
	}
	s.opened = append(s.opened, lineage.Opened{At: r, Direction: d, Count: openMore})
	return s
}

// closed returns the state without an opening, and whether there was one.
func (s state) closed(r catalog.Ref, d lineage.Direction) (state, bool) {
	i := slices.IndexFunc(s.opened, func(o lineage.Opened) bool { return o.At == r && o.Direction == d })
	if i < 0 {
		return s, false
	}
	s.opened = slices.Delete(slices.Clone(s.opened), i, i+1)
	return s, true
}

func (s state) with(up, down int) state {
	s.up, s.down = min(max(up, 0), maxSteps), min(max(down, 0), maxSteps)
	return s
}

func (s state) inColumns(on bool) state {
	s.columns = on
	return s
}
