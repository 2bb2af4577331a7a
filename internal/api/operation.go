package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/token"
)

// operation is one route with its types, from which the document is generated.
type operation struct {
	Method  string
	Path    string // below /api/v1, as http.ServeMux writes it
	ID      string
	Summary string
	Scope   string
	Role    access.Role
	Status  int          // of success
	Query   reflect.Type // struct, see field
	Body    reflect.Type // nil = none
	Result  reflect.Type // [json.RawMessage] where Schema names the shape
	Schema  string       // file below docs/schema of a shape that other commands share
	run     func(c *call) (any, error)
}

// call is one request to an operation.
type call struct {
	w      http.ResponseWriter
	r      *http.Request
	holder token.Holder
	conn   store.Connection // that the path names
}

func (c *call) org() store.OrgID { return c.holder.Org }

func (c *call) path(name string) string { return c.r.PathValue(name) }

// none is the query or the body of operations without one.
type none struct{}

// get makes a reading operation.
func get[Q, R any](path, id, summary string, run func(c *call, q Q) (R, error)) operation {
	return operation{
		Method: http.MethodGet, Path: path, ID: id, Summary: summary, Scope: access.ScopeRead, Role: access.Viewer, Status: http.StatusOK,
		Query: reflect.TypeFor[Q](), Result: reflect.TypeFor[R](),
		run: func(c *call) (any, error) {
			var q Q
			if err := readQuery(c.r.URL.Query(), &q); err != nil {
				return nil, err
			}
			return run(c, q)
		},
	}
}

// post makes an operation that changes something.
func post[B, R any](path, id, summary, scope string, status int, run func(c *call, b B) (R, error)) operation {
	o := operation{
		Method: http.MethodPost, Path: path, ID: id, Summary: summary, Scope: scope, Role: access.Editor, Status: status,
		Query: reflect.TypeFor[none](), Result: reflect.TypeFor[R](),
	}
	if body := reflect.TypeFor[B](); body != reflect.TypeFor[none]() {
		o.Body = body
	}
	o.run = func(c *call) (any, error) {
		if err := readQuery(c.r.URL.Query(), &none{}); err != nil {
			return nil, err
		}
		var b B
		if err := readBody(c.r, o.Body != nil, &b); err != nil {
			return nil, err
		}
		return run(c, b)
	}
	return o
}

// shaped says that the answer has the shape of a schema that commands share.
func (o operation) shaped(file string) operation {
	o.Schema = file
	return o
}

// admin makes an operation one of admins.
func (o operation) admin() operation {
	o.Scope, o.Role = access.ScopeAdminRead, access.Admin
	return o
}

// field is one parameter of a query, out of a struct's tags:
// `query:"limit" doc:"…" enum:"a,b" max:"200"`.
type field struct {
	Name string
	Doc  string
	Enum []string
	Max  int
	Kind reflect.Kind // string, slice (of strings), int, bool, struct (time)
}

func fieldsOf(t reflect.Type) []field {
	var list []field
	for _, f := range reflect.VisibleFields(t) {
		name := f.Tag.Get("query")
		if name == "" {
			continue
		}
		one := field{Name: name, Doc: f.Tag.Get("doc"), Kind: f.Type.Kind()}
		if enum := f.Tag.Get("enum"); enum != "" {
			one.Enum = strings.Split(enum, ",")
		}
		one.Max, _ = strconv.Atoi(f.Tag.Get("max"))
		list = append(list, one)
	}
	return list
}

func badParameter(name, why string) error {
	return errs.New(errs.Invalid, "bad_parameter", "The parameter "+name+" "+why+".", "The document at /api/v1/openapi.json lists the parameters of each route.")
}

// readQuery fills a struct from a query. What is not known is refused: a filter
// with a slip would otherwise answer everything.
func readQuery(query url.Values, into any) error {
	v := reflect.ValueOf(into).Elem()
	fields := fieldsOf(v.Type())
	for name, values := range query {
		i := slices.IndexFunc(fields, func(f field) bool { return f.Name == name })
		if i < 0 {
			return badParameter(strconv.Quote(clip(name)), "is not known here")
		}
		f := fields[i]
		if len(values) > 1 && f.Kind != reflect.Slice {
			return badParameter(name, "is there more than once")
		}
		for _, text := range values {
			if len(f.Enum) > 0 && !slices.Contains(f.Enum, text) {
				return badParameter(name, "is none of "+strings.Join(f.Enum, ", "))
			}
			if len(text) > maxText {
				return badParameter(name, "is too long")
			}
		}
	}
	for _, sf := range reflect.VisibleFields(v.Type()) {
		name := sf.Tag.Get("query")
		if name == "" || !query.Has(name) {
			continue
		}
		if err := setField(v.FieldByIndex(sf.Index), name, query[name], fields); err != nil {
			return err
		}
	}
	return nil
}

func setField(to reflect.Value, name string, values []string, fields []field) error {
	text := values[0]
	switch to.Kind() {
	case reflect.String:
		to.SetString(text)
	case reflect.Slice:
		if len(values) > maxRepeat {
			return badParameter(name, "is there too often")
		}
		to.Set(reflect.ValueOf(slices.Clone(values)))
	case reflect.Int:
		n, err := strconv.Atoi(text)
		limit := fields[slices.IndexFunc(fields, func(f field) bool { return f.Name == name })].Max
		if err != nil || n < 1 || limit > 0 && n > limit {
			return badParameter(name, fmt.Sprintf("is not a number from 1 to %d", limit))
		}
		to.SetInt(int64(n))
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return badParameter(name, "is neither true nor false")
		}
		to.SetBool(b)
	case reflect.Struct:
		at, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return badParameter(name, "is not a time like 2026-03-02T08:00:00Z")
		}
		to.Set(reflect.ValueOf(at.UTC()))
	}
	return nil
}

const (
	maxText   = 1000 // bytes of one parameter
	maxRepeat = 50
	maxJSON   = 64 << 10
)

func clip(s string) string {
	if len(s) > 40 {
		s = s[:40]
	}
	return s
}

// readBody reads the JSON body of a request, or checks that there is none.
func readBody(r *http.Request, wanted bool, into any) error {
	if !wanted {
		if r.ContentLength > 0 {
			return errs.New(errs.Invalid, "bad_body", "This route takes no body.", "")
		}
		return nil
	}
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(strings.ToLower(media)) != "application/json" {
		return errs.New(errs.Invalid, "bad_media_type", "The body is not JSON.", "Send it with Content-Type: application/json.")
	}
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errs.Wrap(err, errs.Invalid, "bad_body", "The body is not understood.", "It must be one JSON object with the members that /api/v1/openapi.json lists, of at most 64 kB.")
	}
	if d.More() {
		return errs.New(errs.Invalid, "bad_body", "There is something behind the body's object.", "Send one JSON object.")
	}
	return nil
}
