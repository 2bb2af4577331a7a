package metabase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// decoder opens the token stream of an answer. Broken UTF-8 and repeated keys
// are let through: they must not cost a whole list.
func decoder(r io.Reader) *jsontext.Decoder {
	return jsontext.NewDecoder(r, jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))
}

// consumerError is an error of whoever takes the elements. It ends a read at
// once and is handed through as it is.
type consumerError struct{ error }

func (e consumerError) Unwrap() error { return e.error }

// elements streams the elements of a list answer: a bare array, or an object
// with the array under data (or items). A value handed to each is valid during
// the call only. Memory is bounded by one element.
func (c *Client) elements(ctx context.Context, req request, each func(val []byte) error) error {
	err := c.read(ctx, req, func(dec *jsontext.Decoder) error {
		switch dec.PeekKind() {
		case '[':
			return eachStreamed(dec, each)
		case '{':
			found := false
			err := eachKey(dec, func(key string) error {
				if (key == "data" || key == "items") && dec.PeekKind() == '[' {
					found = true
					return eachStreamed(dec, each)
				}
				return dec.SkipValue()
			})
			if err != nil || found {
				return err
			}
			return strange(req.route)
		case 'n':
			return dec.SkipValue()
		}
		if err := dec.SkipValue(); err != nil {
			return err
		}
		return strange(req.route)
	})
	return err
}

// read sends a request and lets use decode the answer, which must be complete
// JSON. An empty answer is not decoded. A read that breaks off is tried once
// more; use must cope with seeing elements again.
func (c *Client) read(ctx context.Context, req request, use func(*jsontext.Decoder) error) error {
	for try := 1; ; try++ {
		err := c.readOnce(ctx, req, use)
		var mine consumerError
		switch {
		case err == nil:
			return nil
		case errors.As(err, &mine):
			return mine.error
		case try == 1 && ctx.Err() == nil && req.route.pattern != routeDashboard.pattern && brokeOff(err):
			if werr := c.cfg.Wait(ctx, firstPause); werr != nil {
				return werr
			}
		default:
			return err
		}
	}
}

// brokeOff reports whether an answer ended before its end.
func brokeOff(err error) bool { return errs.CodeOf(err) == codeTruncated }

func (c *Client) readOnce(ctx context.Context, req request, use func(*jsontext.Decoder) error) error {
	got, err := c.fetch(ctx, req)
	if err != nil {
		return err
	}
	defer got.close()
	if got.empty {
		return nil
	}
	dec := decoder(got)
	err = use(dec)
	if err == nil {
		// Read to the end, so that what a server appends to a half answer is seen.
		if _, tail := dec.ReadToken(); tail != nil && !errors.Is(tail, io.EOF) {
			err = tail
		} else if tail == nil {
			err = errors.New("more than one value")
		}
	}
	var mine consumerError
	if err == nil || errors.As(err, &mine) {
		return err
	}
	return c.brokenBody(ctx, err, req.route)
}

// eachStreamed hands over the elements of the array that comes next.
func eachStreamed(dec *jsontext.Decoder, each func(val []byte) error) error {
	if dec.PeekKind() != '[' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != ']' {
		val, err := dec.ReadValue()
		if err != nil {
			return err
		}
		if err := each(val); err != nil {
			return consumerError{err}
		}
	}
	_, err := dec.ReadToken()
	return err
}

// eachKey calls f for the keys of the object that comes next; f consumes the value.
func eachKey(dec *jsontext.Decoder, f func(key string) error) error {
	if dec.PeekKind() != '{' {
		return dec.SkipValue()
	}
	if _, err := dec.ReadToken(); err != nil {
		return err
	}
	for dec.PeekKind() != '}' {
		token, err := dec.ReadToken()
		if err != nil {
			return err
		}
		if err := f(token.String()); err != nil {
			return err
		}
	}
	_, err := dec.ReadToken()
	return err
}

// list reads a whole list of assets of one kind.
type list[A any] struct {
	what   string // "questions", for gaps
	kind   catalog.Kind
	decode func(f *faults, val []byte) (id string, a A, keep bool)
	// placed is set for content of collections: what is not kept lies in a
	// collection that is left out, and is counted in a gap.
	placed bool
}

// each streams the decoded elements. Duplicate ids are handed over once.
func (l list[A]) each(ctx context.Context, c *Client, req request, yield func(A) error) ([]catalog.Gap, error) {
	var f faults
	seen := map[string]bool{}
	leftOut := 0
	err := c.elements(ctx, req, func(val []byte) error {
		id, a, keep := l.decode(&f, val)
		if id != "" && seen[id] {
			f.now = false
			return nil
		}
		f.next()
		if id == "" {
			f.dropped++
			return nil
		}
		seen[id] = true
		if !keep {
			leftOut++
			return nil
		}
		return yield(a)
	})
	gaps := f.gaps(l.what, l.kind)
	if leftOut > 0 && l.placed {
		gaps = append(gaps, catalog.Gap{
			What: l.what, Kind: l.kind, Expected: true,
			Reason: fmt.Sprintf("%d lie in collections that are left out (excluded ones, or other people's personal ones)", leftOut),
		})
	}
	return gaps, err
}

// all collects the decoded elements.
func (l list[A]) all(ctx context.Context, c *Client, req request) ([]A, []catalog.Gap, error) {
	var out []A
	gaps, err := l.each(ctx, c, req, func(a A) error {
		out = append(out, a)
		return nil
	})
	return out, gaps, err
}

// gaps turns what had an unexpected form into words. Only keys of our own
// allow-list are named.
func (f *faults) gaps(what string, kind catalog.Kind) []catalog.Gap {
	var out []catalog.Gap
	if f.dropped > 0 {
		out = append(out, catalog.Gap{
			What: what, Kind: kind,
			Reason: fmt.Sprintf("%d entries were not understood and are left out", f.dropped),
		})
	}
	if f.elements > 0 {
		keys := slices.Sorted(maps.Keys(f.keys))
		out = append(out, catalog.Gap{
			What: what, Kind: kind,
			Reason: fmt.Sprintf("%d entries have fields of an unexpected form (%s); the rest of them is kept", f.elements, strings.Join(keys, ", ")),
		})
	}
	return out
}
