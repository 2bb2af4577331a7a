package metabase

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// paramKind is what a path parameter may look like.
type paramKind int

const (
	paramNumber     paramKind = iota + 1 // digits
	paramEntity                          // digits, or a 21-character entity id
	paramCollection                      // the same, or "root"
)

var (
	numberPattern = regexp.MustCompile(`^[0-9]{1,18}$`)
	entityPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{21}$`)
)

func (k paramKind) valid(s string) bool {
	switch k {
	case paramNumber:
		return numberPattern.MatchString(s)
	case paramEntity:
		return numberPattern.MatchString(s) || entityPattern.MatchString(s)
	case paramCollection:
		return s == "root" || numberPattern.MatchString(s) || entityPattern.MatchString(s)
	default:
		return false
	}
}

// route is one GET that this package may send. Its fields are unexported and
// the values below are the only ones: no caller can form another.
type route struct {
	pattern string // as the ledger and the statistics name it
	param   paramKind
	query   []string // the query keys it may carry
	large   bool     // big answers: the longer time-out and the larger limit
}

// The allow-list (API reference §3, §4). None of these runs a query, returns a
// value of a warehouse, or changes anything. Only routeDashboard counts a view.
var (
	routeProperties  = route{pattern: "/api/session/properties"}
	routeCurrentUser = route{pattern: "/api/user/current"}
	routeUsers       = route{pattern: "/api/user", query: []string{"status"}, large: true}

	routeCollections     = route{pattern: "/api/collection", query: []string{"archived", "exclude-other-user-collections", "namespace"}, large: true}
	routeCollectionItems = route{pattern: "/api/collection/:id/items", param: paramCollection, large: true, query: []string{
		"archived", "limit", "offset", "show_dashboard_questions", "show-dashboard-questions",
	}}
	routeCollectionGraph = route{pattern: "/api/collection/graph", large: true}

	routeDatabases        = route{pattern: "/api/database"}
	routeDatabaseMetadata = route{pattern: "/api/database/:id/metadata", param: paramNumber, query: []string{"include_hidden"}, large: true}
	routeTables           = route{pattern: "/api/table", large: true}
	routeTable            = route{pattern: "/api/table/:id", param: paramNumber}

	routeCards      = route{pattern: "/api/card", query: []string{"f", "model_id"}, large: true}
	routeCard       = route{pattern: "/api/card/:id", param: paramEntity, query: []string{"ignore_view"}}
	routeDashboards = route{pattern: "/api/dashboard", query: []string{"f"}, large: true}
	routeDashboard  = route{pattern: "/api/dashboard/:id", param: paramEntity, large: true}

	routeSegments      = route{pattern: "/api/segment", large: true}
	routeMeasures      = route{pattern: "/api/measure", large: true}
	routeMetrics       = route{pattern: "/api/metric", large: true}        // to 0.49
	routeLegacyMetrics = route{pattern: "/api/legacy-metric", large: true} // 0.50
	routeSnippets      = route{pattern: "/api/native-query-snippet", query: []string{"archived"}, large: true}

	routeNotifications = route{pattern: "/api/notification", large: true}
	routeAlerts        = route{pattern: "/api/alert", large: true}
	routePulses        = route{pattern: "/api/pulse", large: true}
	routeTransforms    = route{pattern: "/api/transform", large: true}
	routeActions       = route{pattern: "/api/action", large: true}
	routeDocuments     = route{pattern: "/api/document", large: true}

	routeGroups      = route{pattern: "/api/permissions/group"}
	routeMemberships = route{pattern: "/api/permissions/membership", large: true}
	routeDataGraph   = route{pattern: "/api/permissions/graph", large: true}
)

// routes lists the allow-list for the transport.
func routes() []route {
	return []route{
		routeProperties, routeCurrentUser, routeUsers,
		routeCollections, routeCollectionItems, routeCollectionGraph,
		routeDatabases, routeDatabaseMetadata, routeTables, routeTable,
		routeCards, routeCard, routeDashboards, routeDashboard,
		routeSegments, routeMeasures, routeMetrics, routeLegacyMetrics, routeSnippets,
		routeNotifications, routeAlerts, routePulses, routeTransforms, routeActions, routeDocuments,
		routeGroups, routeMemberships, routeDataGraph,
	}
}

// match reports whether a path below the site is one of this route's.
func (r route) match(path string) bool {
	path = strings.TrimSuffix(path, "/")
	before, after, has := strings.Cut(r.pattern, ":id")
	if !has {
		return path == r.pattern
	}
	rest, ok := strings.CutPrefix(path, before)
	if !ok {
		return false
	}
	value, ok := strings.CutSuffix(rest, after)
	return ok && r.param.valid(value) && (r.pattern != routeCard.pattern || value != "public")
}

// allows reports whether every query key is known to the route.
func (r route) allows(query url.Values) bool {
	for key := range query {
		if !slices.Contains(r.query, key) {
			return false
		}
	}
	return true
}

// request is a GET that is ready to be sent. It can only be made by
// [route.request].
type request struct {
	route route
	path  string // below the site, escaped
	query url.Values
}

// request fills in the parameter (empty for routes without) and the query,
// given as key, value, key, value, …
func (r route) request(param string, query ...string) (request, error) {
	path := r.pattern
	if r.param != 0 {
		if !r.param.valid(param) {
			return request{}, errs.New(errs.Invalid, "bad_id", "The id of "+r.pattern+" is neither a number nor an entity id.",
				"Ids are numbers, or 21 characters out of letters, digits, _ and -.")
		}
		path = strings.Replace(path, ":id", url.PathEscape(param), 1)
	}
	values := url.Values{}
	for i := 0; i+1 < len(query); i += 2 {
		values.Add(query[i], query[i+1])
	}
	if !r.allows(values) {
		return request{}, errs.New(errs.Internal, "bad_query", "A query key is not on the allow-list of "+r.pattern+".", "")
	}
	return request{route: r, path: path, query: values}, nil
}
