package metabasetest

// routeTable lists what a reader may call and what it must not, for every
// version. Fixed paths stand before patterns.
func routeTable() []*route {
	items := []string{
		"models", "archived", "limit", "offset", "include_can_run_adhoc_query@55-63",
		"pinned_state@-63", "sort_column@-63", "sort_direction@-63", "official_collections_first@49-63", "show_dashboard_questions@53-63",
		"pinned-state@64-", "sort-column@64-", "sort-direction@64-", "official-collections-first@64-", "show-dashboard-questions@64-",
		"include-library@64-", "collection-type@64-", "include-available-models@64-", "show-exploration-documents@64-", "q@64-",
	}
	rootItems := append([]string{"namespace", "include_library@59-63", "collection_type@57-63"}, items...)
	const values = "returns values or rows of the warehouse"
	return []*route{
		get("/api/health", (*exchange).health).public(),
		get("/api/session/properties", (*exchange).properties).public(),
		get("/api/docs/openapi.json", (*exchange).openapi).since(55),
		get("/api/util/openapi", (*exchange).openapi).since(52).through(54),

		get("/api/user/current", (*exchange).currentUser),
		get("/api/user/recipients", (*exchange).recipients),
		get("/api/user", (*exchange).listUsers, "status", "query", "group_id", "include_deactivated", "limit", "offset").admin(),
		get("/api/permissions/group", (*exchange).listGroups, "limit", "offset", "tenancy@57-").admin(),
		get("/api/permissions/membership", (*exchange).memberships).admin(),
		get("/api/permissions/graph", (*exchange).permissionsGraph).admin(),

		get("/api/collection", (*exchange).listCollections, "archived", "namespace", "exclude-other-user-collections", "personal-only@48-"),
		get("/api/collection/tree", (*exchange).collectionTree,
			"exclude-archived", "exclude-other-user-collections", "include-library@59-", "namespace", "namespaces@56-", "shallow@50-", "collection-id@50-"),
		get("/api/collection/graph", (*exchange).collectionGraph, "namespace").admin(),
		get("/api/collection/trash", (*exchange).getTrash).since(50),
		get("/api/collection/root", (*exchange).getRootCollection, "namespace"),
		get("/api/collection/root/items", (*exchange).rootItems, rootItems...),
		get("/api/collection/root/items/metadata", (*exchange).itemsMetadata, items...).since(64),
		get("/api/collection/root/dashboard-question-candidates", (*exchange).emptyPage, "limit", "offset").since(53).admin(),
		get("/api/collection/:id", (*exchange).getCollection),
		get("/api/collection/:id/items", (*exchange).collectionItems, items...),
		get("/api/collection/:id/items/metadata", (*exchange).itemsMetadata, items...).since(64),
		get("/api/collection/:id/dashboard-question-candidates", (*exchange).emptyPage, "limit", "offset").since(53).admin(),

		get("/api/database", (*exchange).listDatabases,
			"include", "saved", "include_analytics", "include_editable_data_model", "exclude_uneditable_details",
			"include_only_uploadable", "router_database_id@55-", "can-query@57-", "can-write-metadata@57-"),
		get("/api/database/metadata", (*exchange).allMetadata).since(60).through(61),
		denied(values, "/api/database/field-values", (*exchange).rows).since(60).through(61),
		get("/api/database/:id", (*exchange).getDatabase, "include", "include_editable_data_model@55-", "exclude_uneditable_details@55-"),
		get("/api/database/:id/metadata", (*exchange).databaseMetadata, "include_hidden", "include_editable_data_model", "remove_inactive", "skip_fields"),
		get("/api/database/:id/fields", (*exchange).databaseFields),
		get("/api/database/:id/schemas", (*exchange).databaseSchemas, "include_hidden", "include_editable_data_model", "can-query@57-", "can-write-metadata@57-"),
		get("/api/database/:id/schema", (*exchange).databaseSchema, "include_hidden", "include_editable_data_model"),
		get("/api/database/:id/schema/:schema", (*exchange).databaseSchema, "include_hidden", "include_editable_data_model"),
		get("/api/database/:id/usage_info", (*exchange).databaseUsage).admin(),
		denied("opens a connection to the warehouse", "/api/database/:id/healthcheck", (*exchange).health),
		denied("opens a connection to the warehouse", "/api/database/:id/syncable_schemas", (*exchange).emptyList),

		get("/api/table", (*exchange).listTables,
			"term@57-", "visibility-type@57-", "data-layer@59-", "data-source@59-", "owner-user-id@59-", "owner-email@59-",
			"orphan-only@57-", "unused-only@58-", "published-only@61-", "can-query@59-", "can-write@59-", "include-transform-targets@60-"),
		get("/api/table/:id", (*exchange).getTable, "include_editable_data_model"),
		get("/api/table/:id/query_metadata", (*exchange).tableMetadata, "include_sensitive_fields", "include_hidden_fields", "include_editable_data_model"),
		get("/api/table/:id/fks", (*exchange).tableKeys),
		denied(values, "/api/table/:id/data", (*exchange).rows),
		get("/api/field/:id", (*exchange).getField, "include_editable_data_model"),
		denied(values, "/api/field/:id/values", (*exchange).rows),
		denied(values, "/api/field/:id/summary", (*exchange).rows),
		denied(values, "/api/field/:id/search/:other", (*exchange).rows),
		denied(values, "/api/field/:id/remapping/:other", (*exchange).rows),

		get("/api/card", (*exchange).listCards, "f", "model_id"),
		get("/api/card/public", (*exchange).publicCards).admin(),
		get("/api/card/embeddable", (*exchange).embeddableCards).admin(),
		get("/api/card/:id", (*exchange).getCard, "ignore_view@-58", "context@-58", "legacy-mbql@57-"),
		get("/api/card/:id/query_metadata", (*exchange).queryMetadata).since(51),
		get("/api/card/:id/dashboards", (*exchange).getCardDashboards).since(53),
		denied(values, "/api/card/:id/params/:key/values", (*exchange).rows),
		denied(values, "/api/card/:id/params/:key/search/:text", (*exchange).rows),

		get("/api/dashboard", (*exchange).listDashboards, "f"),
		get("/api/dashboard/public", (*exchange).publicDashboards).admin(),
		get("/api/dashboard/embeddable", (*exchange).embeddableDashboards).admin(),
		get("/api/dashboard/:id", (*exchange).getDashboard, "dashboard_load_id@51-"),
		get("/api/dashboard/:id/items", (*exchange).dashboardItems, "limit", "offset").since(53),
		denied(values, "/api/dashboard/:id/params/:key/values", (*exchange).rows),
		denied(values, "/api/dashboard/:id/params/:key/search/:text", (*exchange).rows),

		get("/api/segment", (*exchange).listSegments),
		get("/api/measure", func(x *exchange) {
			x.listMeasures(func(w *World) []*Measure { return w.Measures }, false)
		}).since(59),
		get("/api/metric", legacyMetrics).through(49),
		get("/api/legacy-metric", legacyMetrics).since(50).through(50),
		get("/api/metric", (*exchange).listMetricCards, "limit", "offset").since(60),
		get("/api/native-query-snippet", (*exchange).listSnippets, "archived"),
		get("/api/timeline", (*exchange).listTimelines, "include", "archived"),

		get("/api/pulse", (*exchange).listPulses, "archived", "dashboard_id", "creator_or_recipient"),
		get("/api/alert", (*exchange).listAlerts, "archived", "user_id"),
		get("/api/alert/:id", (*exchange).getAlert),
		get("/api/notification", (*exchange).listNotifications,
			"creator_id", "recipient_id", "creator_or_recipient_id", "card_id", "include_inactive", "payload_type@55-").since(54),
		denied("renders data", "/api/pulse/preview_card/:id", (*exchange).rows).through(58),
		denied("renders data", "/api/pulse/preview_dashboard/:id", (*exchange).rows).through(58),

		get("/api/transform", (*exchange).listTransforms, "last-run-start-time", "last-run-statuses", "tag-ids", "database-id").since(59).admin(),
		get("/api/action", (*exchange).listActions, "model-id"),
		get("/api/document", (*exchange).listDocuments).since(58),
		denied("counts as a view and returns prose", "/api/document/:id", (*exchange).getDocument).since(58),
		get("/api/search", (*exchange).search,
			"q", "models", "archived", "table_db_id", "limit", "offset", "context", "created_by", "created_at", "last_edited_by",
			"last_edited_at", "verified", "search_native_query", "filter_items_in_personal_collection", "model_ancestors",
			"include_dashboard_questions@53-", "ids@52-", "collection@57-", "display_type@57-", "include_metadata@57-"),
		get("/api/revision", (*exchange).revisions, "entity", "id"),
		get("/api/revision/:entity/:id", (*exchange).revisions).since(52),
		get("/api/cache", (*exchange).caches, "model", "collection", "id").since(49).admin(),
		get("/api/persist", (*exchange).persisted, "limit", "offset").admin(),
		get("/api/model-index", (*exchange).emptyList, "model_id"),

		get("/api/ee/stale/:id", (*exchange).stale, "before_date", "is_recursive", "sort_column", "sort_direction", "limit", "offset").
			since(51).paid("collection_cleanup"),
		get("/api/ee/dependencies/graph/unreferenced", (*exchange).emptyPage,
			"types", "card-types@59-", "card_types@59-59", "query", "archived", "include-personal-collections@59-",
			"include_personal_collections@59-59", "sort-column@59-", "sort-direction@59-", "limit", "offset").since(59).paid("dependencies"),

		denied("sends settings and secrets", "/api/setting", (*exchange).rows).admin(),
		denied("sends members' addresses", "/api/permissions/group/:id", (*exchange).rows).admin(),
		denied("may hold query text and values", "/api/logger/logs", (*exchange).rows).since(55).admin(),
		denied("may hold query text and values", "/api/task", (*exchange).rows).admin(),
		denied("sends webhook addresses and tokens", "/api/channel", (*exchange).rows).admin(),
		denied("another person's account", "/api/user/:id", (*exchange).rows).admin(),
	}
}

func legacyMetrics(x *exchange) {
	x.listMeasures(func(w *World) []*Measure { return w.LegacyMetrics }, true)
}
