package metabasetest

import (
	"net/http"
	"strconv"
	"strings"
)

type access int

const (
	accessUser access = iota
	accessPublic
	accessAdmin
)

// route is one GET that some version of Metabase has.
type route struct {
	method   string
	pattern  string
	segments []string
	from, to int // majors; to 0 is open
	access   access
	feature  string // paid feature it needs; "" is open source
	deny     string // why the read-only scan plan does not contain it; "" when it does
	params   []param
	handle   func(*exchange)
}

// param is a query parameter with the majors that read it.
type param struct {
	name     string
	from, to int
}

func (rt *route) reads(name string, v version) (known, elsewhere bool) {
	for _, p := range rt.params {
		if p.name != name {
			continue
		}
		if v.from(p.from) && (p.to == 0 || v.until(p.to)) {
			return true, true
		}
		elsewhere = true
	}
	return false, elsewhere
}

// get declares an allowed route. Parameters are written "name", "name@64-",
// "name@-63" or "name@50-52".
func get(pattern string, handle func(*exchange), params ...string) *route {
	rt := &route{method: http.MethodGet, pattern: pattern, segments: strings.Split(strings.Trim(pattern, "/"), "/"), handle: handle}
	for _, text := range params {
		name, span, _ := strings.Cut(text, "@")
		from, to, _ := strings.Cut(span, "-")
		p := param{name: name}
		p.from, _ = strconv.Atoi(from)
		p.to, _ = strconv.Atoi(to)
		rt.params = append(rt.params, p)
	}
	return rt
}

// denied declares a route that exists but must not be called.
func denied(why, pattern string, handle func(*exchange)) *route {
	rt := get(pattern, handle)
	rt.deny = why
	return rt
}

func (rt *route) since(major int) *route     { rt.from = major; return rt }
func (rt *route) through(major int) *route   { rt.to = major; return rt }
func (rt *route) admin() *route              { rt.access = accessAdmin; return rt }
func (rt *route) public() *route             { rt.access = accessPublic; return rt }
func (rt *route) paid(feature string) *route { rt.feature = feature; return rt }
func (rt *route) has(v version) bool {
	return v.major == -1 || v.from(rt.from) && (rt.to == 0 || v.until(rt.to))
}

// match finds the route of a path. Fixed segments win over parameters because
// the table lists them first. A trailing slash is accepted, as by Metabase;
// "/api/database/3/schema/" is a schema with an empty name. Major -1 matches
// any version.
func match(routes []*route, method, path string, v version) (*route, []string) {
	if method != http.MethodGet {
		return nil, nil
	}
	parts := strings.Split(strings.Trim(path, "/"), "/")
	var params []string
next:
	for _, rt := range routes {
		if len(rt.segments) != len(parts) || !rt.has(v) {
			continue
		}
		params = params[:0]
		for i, seg := range rt.segments {
			switch {
			case seg == parts[i]:
			case seg != "" && seg[0] == ':' && parts[i] != "":
				params = append(params, parts[i])
			default:
				continue next
			}
		}
		return rt, params
	}
	return nil, nil
}
