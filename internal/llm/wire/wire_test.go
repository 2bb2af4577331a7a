package wire_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/llm/wire"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

func TestEvents(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
		err  error
	}{
		"plain":         {in: "data: a\n\ndata: b\n\n", want: []string{"a", "b"}},
		"named":         {in: "event: x\nid: 1\nretry: 5\ndata: a\n\n", want: []string{"a"}},
		"several lines": {in: "data: a\ndata:b\ndata:  c\n\n", want: []string{"a\nb\n c"}},
		"comment":       {in: ": ping\n\n: more\ndata: a\n\n", want: []string{"a"}},
		"carriage":      {in: "data: a\r\n\r\n", want: []string{"a"}},
		"cut":           {in: "data: a\n\ndata: half", want: []string{"a"}},
		"empty data":    {in: "data:\n\ndata: b\n\n", want: []string{"", "b"}},
		"nothing":       {in: ""},
		"huge":          {in: "data: " + strings.Repeat("x", wire.MaxEvent+1) + "\n\n", err: wire.ErrEvent},
		"many lines":    {in: strings.Repeat("data: xxxxxxxxxxxxxxxx\n", wire.MaxEvent/16), err: wire.ErrEvent},
	} {
		t.Run(name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(c.in), iotest.OneByteReader(strings.NewReader(c.in))} {
				e := wire.NewEvents(r)
				var got []string
				var err error
				for {
					var data []byte
					if data, err = e.Next(); err != nil {
						break
					}
					got = append(got, string(data))
				}
				if c.err == nil {
					c.err = io.EOF
				}
				if d := cmp.Diff(c.want, got); d != "" || !errors.Is(err, c.err) {
					t.Errorf("%v %s", err, d)
				}
			}
		})
	}
}

// TestRoutes sends nothing but what is on the list, and to one host only.
func TestRoutes(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization"))
	}))
	defer server.Close()
	way, err := outbound.NewTransport(outbound.Config{Purpose: ledger.PurposeModel, Policy: outbound.Policy{AllowLoopback: true}, Recorder: &ledger.Memory{}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := wire.New(wire.Config{
		Who: "X", BaseURL: server.URL + "/v1/", Transport: way, Header: "Authorization", Scheme: "Bearer ", Key: secret.New("k"),
		Routes: []wire.Route{{Method: http.MethodGet, Path: "batches/{id}"}, {Method: http.MethodPost, Path: "messages"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		method, url string
		ok          bool
	}{
		{http.MethodGet, server.URL + "/v1/batches/abc_1-2", true},
		{http.MethodPost, server.URL + "/v1/messages", true},
		{http.MethodGet, server.URL + "/v1/messages", false},
		{http.MethodPost, server.URL + "/v2/messages", false},
		{http.MethodPost, server.URL + "/v1messages", false},
		{http.MethodGet, server.URL + "/v1/batches/../messages", false},
		{http.MethodGet, server.URL + "/v1/batches/a%2Fb", false},
		{http.MethodGet, server.URL + "/v1/batches/", false},
		{http.MethodGet, server.URL + "/v1/batches/" + strings.Repeat("a", 200), false},
		{http.MethodPost, "http://user@" + strings.TrimPrefix(server.URL, "http://") + "/v1/messages", false},
		{http.MethodPost, "http://127.0.0.1:1/v1/messages", false},
		{http.MethodPost, strings.Replace(server.URL, "http", "https", 1) + "/v1/messages", false},
	} {
		before := len(asked)
		req, err := http.NewRequestWithContext(t.Context(), x.method, x.url, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		if (err == nil) != x.ok || (len(asked) > before) != x.ok || !x.ok && errs.KindOf(err) != errs.Internal {
			t.Errorf("%s %s: %v", x.method, x.url, err)
		}
	}
	if len(asked) != 2 || !strings.HasSuffix(asked[0], "Bearer k") {
		t.Errorf("asked %v", asked)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add("data: a\n\n: c\r\nevent: x\ndata: b\n\n")
	f.Fuzz(func(t *testing.T, in string) {
		e := wire.NewEvents(strings.NewReader(in))
		for range len(in) + 1 {
			if _, err := e.Next(); err != nil {
				return
			}
		}
		t.Error("there are more events than bytes")
	})
}
