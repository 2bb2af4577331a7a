package metabase

// AllowedRoute is a line of the allow-list as a person reads it.
type AllowedRoute struct {
	Pattern string   // GET of this path; :id is a number or an entity id
	Query   []string // the query parameters it may carry
	Reads   string   // what is taken from its answer
}

// AllowedRoutes lists every request that the reader can form, in the order of a
// scan. There is no other.
func AllowedRoutes() []AllowedRoute {
	var list []AllowedRoute
	for _, r := range routes() {
		list = append(list, AllowedRoute{Pattern: r.pattern, Query: r.query, Reads: routeReads[r.pattern]})
	}
	return list
}

// routeReads says what is kept of each answer; the decoders' keep-lists are the
// exact form of it.
var routeReads = map[string]string{
	routeProperties.pattern:       "version, edition, which features are on",
	routeCurrentUser.pattern:      "whether the key is an administrator's",
	routeUsers.pattern:            "pseudonymous ids of people, active or not",
	routeCollections.pattern:      "names, places and owners of collections",
	routeCollectionItems.pattern:  "which content is in a collection, when the list routes do not tell",
	routeCollectionGraph.pattern:  "which group may see which collection",
	routeDatabases.pattern:        "names and engines of databases",
	routeDatabaseMetadata.pattern: "names, types and keys of tables and columns",
	routeTables.pattern:           "names of tables",
	routeTable.pattern:            "whether one table is still there",
	routeCards.pattern:            "questions, models and metrics: title, query, display settings, counters",
	routeCard.pattern:             "one question, without counting a view",
	routeDashboards.pattern:       "titles, places and counters of dashboards",
	routeDashboard.pattern:        "cards, filters and tabs of a dashboard that changed",
	routeSegments.pattern:         "definitions of segments",
	routeMeasures.pattern:         "definitions of measures",
	routeMetrics.pattern:          "definitions of metrics, to 0.49",
	routeLegacyMetrics.pattern:    "definitions of metrics, 0.50",
	routeSnippets.pattern:         "SQL of snippets",
	routeNotifications.pattern:    "what alerts and subscriptions send and to how many, never to whom",
	routeAlerts.pattern:           "alerts of older versions, never to whom",
	routePulses.pattern:           "subscriptions of older versions, never to whom",
	routeTransforms.pattern:       "definitions of transforms",
	routeActions.pattern:          "definitions of actions",
	routeDocuments.pattern:        "titles of documents and what they embed",
	routeGroups.pattern:           "names of groups",
	routeMemberships.pattern:      "who is in which group, pseudonymous",
	routeDataGraph.pattern:        "which group may query which database",
}
