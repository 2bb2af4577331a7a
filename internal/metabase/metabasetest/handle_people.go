package metabasetest

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// properties is GET /session/properties: a few keys to keep among many that
// describe the instance and its people.
func (x *exchange) properties() {
	_, known := x.s.caller(x.r)
	e := x.startJSON()
	e.open()
	e.text("application-name", "Metabase")
	e.text("site-locale", x.w.Locale)
	e.text("report-timezone", x.w.Timezone)
	e.text("start-of-week", "monday")
	e.bool("enable-public-sharing", true)
	e.bool("enable-embedding", true)
	e.bool("has-user-setup", true)
	e.bool("enable-password-login", true)
	e.raw("anon-tracking-enabled", "true")
	e.text("site-uuid", canaryText+"-site-uuid")
	e.text("analytics-uuid", canaryText+"-analytics")
	e.text("ga-code", canaryText)
	e.raw("password-complexity", `{"total":6,"digit":1}`)
	e.obj("version")
	e.text("tag", x.v.tag)
	e.text("date", "2026-01-05")
	e.text("branch", "release")
	e.text("hash", "48f6978")
	e.close()
	e.obj("token-features")
	for _, f := range []string{
		"advanced_permissions", "audit_app", "cache_granular_controls", "collection_cleanup", "content_verification",
		"dependencies", "embedding", "hosting", "official_collections", "sandboxes", "serialization",
		"snippet_collections", "transforms", "whitelabel",
	} {
		e.bool(f, x.v.enterprise && slices.Contains(x.s.cfg.Features, f))
	}
	e.close()
	if known {
		e.text("admin-email", canaryText+"-admin@example.com")
		e.text("site-url", "https://"+canaryText+".example.com")
		e.text("map-tile-server-url", "https://tiles.example.com/"+canaryText+"/{z}/{x}/{y}.png")
		e.text("google-auth-client-id", canaryText+".apps.example.com")
		e.text("site-name", x.w.Name)
	}
	e.close()
}

// currentUser answers the session's person, or the hidden account of the key.
func (x *exchange) currentUser() {
	e := x.startJSON()
	e.open()
	groups := x.groups()
	if x.who.Admin {
		groups = append(groups, GroupAdministrators)
	}
	slices.Sort(groups)
	if p := x.w.Person(x.who.PersonID); p != nil {
		e.int("id", p.ID)
		e.text("email", p.Email)
		e.orNull("first_name", p.First)
		e.orNull("last_name", p.Last)
		e.text("common_name", p.FullName())
		e.time("last_login", p.LastLogin)
		e.time("date_joined", p.Joined)
		e.idOrNull("personal_collection_id", p.CollectionID)
	} else {
		e.int("id", 9001)
		e.text("email", "api-key-user-"+canaryText+"@api-key.invalid")
		e.text("first_name", "MetaLens key")
		e.text("last_name", "")
		e.text("common_name", "MetaLens key")
		e.time("last_login", time.Time{})
		e.time("date_joined", x.w.Epoch)
		e.null("personal_collection_id")
	}
	e.bool("is_superuser", x.who.Admin)
	e.bool("is_active", true)
	e.bool("is_qbnewb", false)
	e.list("group_ids")
	for _, g := range groups {
		e.elemInt(g)
	}
	e.closeList()
	e.list("user_group_memberships")
	for _, g := range groups {
		e.elemRaw(`{"id":` + strconv.Itoa(g) + `}`)
	}
	e.closeList()
	e.null("locale")
	e.null("sso_source")
	e.time("updated_at", x.w.Epoch)
	e.raw("login_attributes", `{"tenant":"`+canaryText+`"}`)
	if x.v.from(56) {
		e.null("jwt_attributes")
		e.null("structured_attributes")
		e.null("tenant_id")
	}
	if x.v.from(50) && x.v.enterprise {
		e.raw("permissions", `{"can_access_setting":`+strconv.FormatBool(x.who.Admin)+`,"can_access_monitoring":false,"can_access_subscription":true}`)
	}
	e.bool("has_invited_second_user", true)
	e.bool("has_question_and_dashboard", true)
	e.close()
}

func (x *exchange) listUsers() {
	status := x.q("status")
	var people []*Person
	for _, p := range x.w.People {
		active := !p.Inactive
		switch {
		case status == "all" || x.flag("include_deactivated"):
		case status == "deactivated":
			active = !active
			fallthrough
		default:
			if !active {
				continue
			}
		}
		if group, err := strconv.Atoi(x.q("group_id")); err == nil && group != GroupAllUsers && !slices.Contains(p.GroupIDs, group) {
			continue
		}
		people = append(people, p)
	}
	total := len(people)
	limit, offset, paged := window(x.req.Query)
	if paged {
		people = page(people, limit, offset)
	}
	e := x.startJSON()
	e.open()
	e.list("data")
	for _, p := range people {
		e.open()
		e.text("email", p.Email)
		e.orNull("first_name", p.First)
		e.orNull("last_name", p.Last)
		e.text("common_name", p.FullName())
		e.int("id", p.ID)
		e.bool("is_active", !p.Inactive)
		e.bool("is_superuser", p.Admin)
		e.bool("is_qbnewb", false)
		e.time("date_joined", p.Joined)
		e.time("last_login", p.LastLogin)
		e.time("updated_at", p.LastLogin)
		e.text("sso_source", "saml-"+canaryText)
		e.null("locale")
		e.raw("login_attributes", `{"region":"`+canaryText+`"}`)
		if x.v.from(56) {
			e.raw("jwt_attributes", `{"sub":"`+canaryText+`"}`)
			e.raw("structured_attributes", `{"region":{"value":"`+canaryText+`"}}`)
			e.null("tenant_id")
		}
		e.idOrNull("personal_collection_id", p.CollectionID)
		e.list("group_ids")
		for _, g := range x.groupsOf(p) {
			e.elemInt(g)
		}
		e.closeList()
		e.close()
	}
	e.closeList()
	pageEnd(e, total, limit, offset, paged)
	e.close()
}

func (x *exchange) groupsOf(p *Person) []int {
	groups := append([]int{GroupAllUsers}, p.GroupIDs...)
	if p.Admin {
		groups = append(groups, GroupAdministrators)
	}
	slices.Sort(groups)
	return slices.Compact(groups)
}

func (x *exchange) recipients() {
	e := x.startJSON()
	e.open()
	e.list("data")
	for _, p := range x.w.People {
		if p.Inactive {
			continue
		}
		e.open()
		e.int("id", p.ID)
		e.text("email", p.Email)
		e.orNull("first_name", p.First)
		e.orNull("last_name", p.Last)
		e.text("common_name", p.FullName())
		e.close()
	}
	e.closeList()
	e.close()
}

func (x *exchange) listGroups() {
	e := x.startJSON()
	e.openList()
	for _, g := range x.w.Groups {
		n := 0
		for _, p := range x.w.People {
			if !p.Inactive && slices.Contains(x.groupsOf(p), g.ID) {
				n++
			}
		}
		e.open()
		e.int("id", g.ID)
		e.text("name", g.Name)
		e.int("member_count", n)
		if x.v.from(53) {
			e.orNull("magic_group_type", g.Magic)
			e.text("entity_id", entityID("group", g.ID))
		}
		e.close()
	}
	e.closeList()
}

func (x *exchange) memberships() {
	e := x.startJSON()
	e.open()
	for _, p := range x.w.People {
		if p.Inactive {
			continue
		}
		e.list(strconv.Itoa(p.ID))
		for i, g := range x.groupsOf(p) {
			e.open()
			e.int("membership_id", p.ID*100+i)
			e.int("group_id", g)
			e.int("user_id", p.ID)
			e.bool("is_group_manager", false)
			e.close()
		}
		e.closeList()
	}
	e.close()
}

func (x *exchange) mayReceive(creator int, channels []Channel) bool {
	if x.who.Admin || creator == x.who.PersonID && creator != 0 {
		return true
	}
	return x.who.PersonID != 0 && slices.ContainsFunc(channels, func(c Channel) bool { return slices.Contains(c.People, x.who.PersonID) })
}

// recipientRows writes people and outside addresses.
func (x *exchange) recipientRows(e *encoder, c *Channel) {
	e.list("recipients")
	for _, id := range c.People {
		p := x.w.Person(id)
		if p == nil {
			continue
		}
		e.open()
		e.int("id", p.ID)
		e.text("email", p.Email)
		e.orNull("first_name", p.First)
		e.orNull("last_name", p.Last)
		e.text("common_name", p.FullName())
		e.close()
	}
	for _, address := range c.Outside {
		e.open()
		e.text("email", address)
		e.close()
	}
	e.closeList()
}

func (x *exchange) pulseChannels(e *encoder, channels []Channel) {
	e.list("channels")
	for i := range channels {
		c := &channels[i]
		e.open()
		e.int("id", i+1)
		e.text("channel_type", c.Type)
		e.bool("enabled", !c.Disabled)
		e.text("schedule_type", c.Schedule)
		e.int("schedule_hour", c.Hour)
		e.orNull("schedule_day", c.Day)
		e.orNull("schedule_frame", c.Frame)
		if c.Type == "slack" {
			e.raw("details", `{"channel":"#`+canaryText+`"}`)
		} else {
			e.raw("details", "{}")
		}
		e.null("channel_id")
		x.recipientRows(e, c)
		e.close()
	}
	e.closeList()
}

func (x *exchange) listPulses() {
	archived := x.flag("archived")
	dashboard, _ := strconv.Atoi(x.q("dashboard_id"))
	e := x.startJSON()
	e.openList()
	for _, s := range x.w.Subscriptions {
		if s.Archived != archived || dashboard != 0 && dashboard != s.DashboardID || !x.mayReceive(s.CreatorID, s.Channels) {
			continue
		}
		d := x.w.Dashboard(s.DashboardID)
		if d != nil && d.Archived {
			continue // archiving a dashboard deletes its subscriptions
		}
		e.open()
		e.int("id", s.ID)
		e.text("name", s.Name)
		e.text("entity_id", s.EntityID)
		e.int("creator_id", s.CreatorID)
		x.creator(e, s.CreatorID)
		e.idOrNull("dashboard_id", s.DashboardID)
		e.idOrNull("collection_id", s.CollectionID)
		e.null("collection_position")
		e.bool("archived", s.Archived)
		e.bool("skip_if_empty", s.SkipIfEmpty)
		e.raw("parameters", `[{"id":"p1","value":["`+canaryText+` filter value"],"default":["`+canaryText+`"]}]`)
		e.list("cards")
		for _, dc := range dashcardsFor(d, s.CardIDs) {
			c := x.w.Card(dc.CardID)
			if c == nil || c.Archived {
				continue
			}
			e.open()
			e.int("id", c.ID)
			e.text("name", c.Name)
			e.idOrNull("collection_id", c.CollectionID)
			e.text("display", c.Display)
			e.bool("include_csv", false)
			e.bool("include_xls", false)
			e.int("dashboard_card_id", dc.ID)
			e.idOrNull("dashboard_id", s.DashboardID)
			e.raw("parameter_mappings", "[]")
			e.close()
		}
		e.closeList()
		x.pulseChannels(e, s.Channels)
		e.bool("can_write", x.who.Admin || s.CreatorID == x.who.PersonID)
		e.time("created_at", s.CreatedAt)
		e.time("updated_at", s.UpdatedAt)
		e.close()
	}
	e.closeList()
}

func dashcardsFor(d *Dashboard, cards []int) []*Dashcard {
	if d == nil {
		return nil
	}
	var list []*Dashcard
	for _, dc := range d.Cards {
		if dc.CardID != 0 && (len(cards) == 0 || slices.Contains(cards, dc.CardID)) {
			list = append(list, dc)
		}
	}
	return list
}

func (x *exchange) alerts() []*Alert {
	var list []*Alert
	for _, a := range x.w.Alerts {
		c := x.w.Card(a.CardID)
		if c != nil && c.Archived {
			continue // archiving a card deletes its alerts
		}
		if x.mayReceive(a.CreatorID, a.Channels) {
			list = append(list, a)
		}
	}
	return list
}

func (x *exchange) listAlerts() {
	archived := x.flag("archived")
	e := x.startJSON()
	e.openList()
	for _, a := range x.alerts() {
		if a.Inactive != archived {
			continue
		}
		x.alert(e, a)
	}
	e.closeList()
}

func (x *exchange) alert(e *encoder, a *Alert) {
	e.open()
	e.int("id", a.ID)
	e.null("name")
	condition := "rows"
	if a.Condition != "has_result" {
		condition = "goal"
	}
	e.text("alert_condition", condition)
	e.bool("alert_first_only", a.SendOnce)
	if condition == "goal" {
		e.bool("alert_above_goal", a.Condition == "goal_above")
	} else {
		e.null("alert_above_goal")
	}
	e.int("creator_id", a.CreatorID)
	x.creator(e, a.CreatorID)
	e.bool("archived", a.Inactive)
	if c := x.w.Card(a.CardID); c != nil {
		e.obj("card")
		e.int("id", c.ID)
		e.text("name", c.Name)
		e.idOrNull("collection_id", c.CollectionID)
		e.bool("include_csv", false)
		e.close()
	} else {
		e.null("card")
	}
	x.pulseChannels(e, a.Channels)
	e.time("created_at", a.CreatedAt)
	e.time("updated_at", a.UpdatedAt)
	e.close()
}

func (x *exchange) getAlert() {
	id, ok := x.id(0, nil)
	if !ok {
		return
	}
	for _, a := range x.alerts() {
		if a.ID == id {
			x.alert(x.startJSON(), a)
			return
		}
	}
	x.notFound()
}

// cron writes a schedule in the form of notifications.
func (c *Channel) cron() string {
	hour := strconv.Itoa(c.Hour)
	days := map[string]string{"mon": "2", "tue": "3", "wed": "4", "thu": "5", "fri": "6", "sat": "7", "sun": "1"}
	switch c.Schedule {
	case "hourly":
		return "0 0 * * * ? *"
	case "weekly":
		return "0 0 " + hour + " ? * " + days[strings.ToLower(c.Day)] + " *"
	case "monthly":
		return "0 0 " + hour + " 1 * ? *"
	}
	return "0 0 " + hour + " * * ? *"
}

func (x *exchange) listNotifications() {
	inactive := x.flag("include_inactive")
	card, _ := strconv.Atoi(x.q("card_id"))
	kind := x.q("payload_type")
	e := x.startJSON()
	e.openList()
	for _, a := range x.alerts() {
		if a.Inactive && !inactive || card != 0 && card != a.CardID || kind != "" && kind != "notification/card" {
			continue
		}
		e.open()
		e.int("id", a.ID)
		e.bool("active", !a.Inactive)
		e.int("creator_id", a.CreatorID)
		x.creator(e, a.CreatorID)
		e.text("payload_type", "notification/card")
		e.int("payload_id", a.ID+500)
		e.obj("payload")
		e.int("id", a.ID+500)
		e.int("card_id", a.CardID)
		e.text("send_condition", a.Condition)
		e.bool("send_once", a.SendOnce)
		if c := x.w.Card(a.CardID); c != nil && x.canReadCard(c) {
			e.obj("card")
			e.int("id", c.ID)
			e.text("name", c.Name)
			e.text("display", c.Display)
			e.close()
		}
		e.time("created_at", a.CreatedAt)
		e.time("updated_at", a.UpdatedAt)
		e.close()
		e.list("subscriptions")
		if len(a.Channels) > 0 {
			e.open()
			e.int("id", a.ID)
			e.int("notification_id", a.ID)
			e.text("type", "notification-subscription/cron")
			e.text("cron_schedule", a.Channels[0].cron())
			e.null("event_name")
			e.text("ui_display_type", "cron/builder")
			e.close()
		}
		e.closeList()
		e.list("handlers")
		for i := range a.Channels {
			x.handler(e, a, i)
		}
		e.closeList()
		e.time("created_at", a.CreatedAt)
		e.time("updated_at", a.UpdatedAt)
		e.close()
	}
	e.closeList()
}

func (x *exchange) handler(e *encoder, a *Alert, i int) {
	c := &a.Channels[i]
	e.open()
	e.int("id", a.ID*10+i)
	e.int("notification_id", a.ID)
	e.text("channel_type", "channel/"+c.Type)
	e.null("channel_id")
	e.bool("active", !c.Disabled)
	e.raw("template", `{"name":"`+canaryText+` template","details":{"subject":"`+canaryText+`"}}`)
	e.null("template_id")
	e.list("recipients")
	n := 0
	for _, id := range c.People {
		n++
		e.open()
		e.int("id", a.ID*100+n)
		e.text("type", "notification-recipient/user")
		e.int("user_id", id)
		e.null("permissions_group_id")
		e.null("details")
		if p := x.w.Person(id); p != nil {
			e.key("user")
			x.account(e, p)
		}
		e.close()
	}
	for _, address := range c.Outside {
		n++
		e.open()
		e.int("id", a.ID*100+n)
		e.text("type", "notification-recipient/raw-value")
		e.null("user_id")
		e.null("permissions_group_id")
		e.obj("details")
		e.text("value", address)
		e.close()
		e.close()
	}
	if c.Type == "slack" {
		e.elemRaw(`{"id":` + strconv.Itoa(a.ID*100+99) + `,"type":"notification-recipient/raw-value","user_id":null,"details":{"value":"#` + canaryText + `"}}`)
	}
	e.closeList()
	e.close()
}
