package metabase

import (
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

// Limits on one part of an answer. The largest real entries are dashboards'
// cards with hundreds of result columns, some hundred kilobytes; a longer entry
// or text is an attack or a defect, and would have to be held in memory whole.
const (
	maxEntry = 32 << 20
	maxText  = 16 << 20
	// entryDepth is how deep the lists lie whose entries are counted: bare
	// lists, lists under a key, and lists in their entries.
	entryDepth = 3
)

// entryGuard ends an answer in which one entry of a list, or one text, is
// larger than memory should hold. It reads JSON's outline only: quotes and
// brackets.
type entryGuard struct {
	r     io.Reader
	route route

	depth   int
	arrays  [entryDepth + 1]bool // whether the container at each depth is an array
	text    int64                // length of the text being passed, 0 outside
	quoted  bool
	escaped bool
	entry   int64 // length of the entry being passed
	counted int   // depth at which the entry began, 0 outside
}

// Read implements [io.Reader].
func (g *entryGuard) Read(p []byte) (int, error) {
	n, err := g.r.Read(p)
	for _, b := range p[:n] {
		if g.counted > 0 {
			g.entry++
		}
		switch {
		case g.escaped:
			g.escaped = false
			g.text++
		case g.quoted:
			switch b {
			case '\\':
				g.escaped = true
			case '"':
				g.quoted, g.text = false, 0
			}
			g.text++
		case b == '"':
			g.quoted, g.text = true, 0
		case b == '{' || b == '[':
			if g.counted == 0 && b == '{' && g.depth > 0 && g.depth <= entryDepth && g.arrays[g.depth] {
				g.counted, g.entry = g.depth+1, 1
			}
			g.depth++
			if g.depth <= entryDepth {
				g.arrays[g.depth] = b == '['
			}
		case b == '}' || b == ']':
			if g.depth == g.counted {
				g.counted, g.entry = 0, 0
			}
			g.depth = max(0, g.depth-1)
		}
		if g.entry > maxEntry || g.text > maxText {
			return 0, errs.New(errs.Limited, codeTooLarge,
				"One entry of the answer to "+g.route.pattern+" is larger than "+strconv.Itoa(maxEntry>>20)+" MiB, or a text in it than "+strconv.Itoa(maxText>>20)+" MiB.",
				"No real content is that large: find the entry in Metabase, or ask whoever runs the proxy before it.")
		}
	}
	return n, err
}

// stallGuard ends an answer of which nothing arrives for a while, long before
// the limit of the whole answer.
type stallGuard struct {
	r     io.Reader
	timer *time.Timer // closes the body
	limit time.Duration
	route route
}

// Read implements [io.Reader].
func (s *stallGuard) Read(p []byte) (int, error) {
	s.timer.Reset(s.limit)
	started := time.Now()
	n, err := s.r.Read(p)
	s.timer.Stop()
	if err != nil && !errors.Is(err, io.EOF) && time.Since(started) >= s.limit {
		return n, errs.Wrap(err, errs.Limited, codeTimeout, "Metabase stopped in the middle of its answer to "+s.route.pattern+".",
			"Scan again at a quieter time; if it repeats, look at the proxy before Metabase.")
	}
	return n, err
}
