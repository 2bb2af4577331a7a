package metabase

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

func TestEntryGuard(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	entry := func(size int) string { // one entry of many short texts
		return `{"a":[` + strings.TrimSuffix(strings.Repeat(`"`+long(1000)+`",`, size/1003+1), ",") + `]}`
	}
	cases := []struct {
		name string
		body string
		ok   bool
	}{
		{"many entries", `[` + strings.TrimSuffix(strings.Repeat(entry(1<<20)+",", 80), ",") + `]`, true},
		{"many entries in an envelope", `{"data":[` + strings.TrimSuffix(strings.Repeat(entry(1<<20)+",", 80), ",") + `]}`, true},
		{"one entry", `[` + entry(maxEntry+1<<20) + `]`, false},
		{"one entry in an envelope", `{"data":[{"id":1},` + entry(maxEntry+1<<20) + `]}`, false},
		{"one text", `{"name":"` + long(maxText+1) + `"}`, false},
		{"one text of quotes and brackets", `["` + strings.Repeat(`\"[{`, maxText/4+1) + `"]`, false},
		{"brackets and quotes in texts", `[{"a":"]}\\\"[{"},{"b":"\\"}]`, true},
		{"more closed than opened", `]]]}}}[{"a":1}]`, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.body), iotest.HalfReader(strings.NewReader(c.body))} {
				_, err := io.Copy(io.Discard, &entryGuard{r: r, route: routeCards})
				if ok := err == nil; ok != c.ok || !ok && errs.CodeOf(err) != codeTooLarge {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestStallGuard(t *testing.T) {
	r, w := io.Pipe()
	limit := 20 * time.Millisecond
	g := &stallGuard{r: r, timer: time.AfterFunc(limit, func() { _ = r.CloseWithError(errors.New("closed")) }), limit: limit, route: routeCards}
	go func() { _, _ = w.Write([]byte("[")) }()
	if b, err := io.ReadAll(g); errs.CodeOf(err) != codeTimeout || string(b) != "[" {
		t.Errorf("%q %v", b, err)
	}
}
