package metabase

import (
	"context"
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
)

// Subscriptions, alerts and notifications carry addresses, channel settings and
// filter values. Of all that, only numbers are kept: how many recipients, and
// how many of them are nobody known to this Metabase.

// recipients counts the recipients of a channel or handler.
func (c *Client) recipients(f *faults, key string, val []byte, d *catalog.Delivery) {
	if isNull(val) {
		return
	}
	ok := eachElement(val, func(v []byte) {
		var user, group string
		eachMember(v, func(k string, v []byte) {
			switch k {
			case "id":
				if d.Channel == "email" && !isString(v) {
					user = orText(user, f.id(key+".id", v))
				}
			case "user_id":
				user = f.id(key+".user_id", v)
			case "permissions_group_id":
				group = f.id(key+".permissions_group_id", v)
			}
		})
		d.Recipients++
		if group == "" && !c.names.known(user) {
			d.ExternalRecipients++
		}
	})
	if !ok {
		f.add(key)
	}
}

// channels decodes the channels of a pulse or alert.
func (c *Client) channels(f *faults, val []byte) []catalog.Delivery {
	var out []catalog.Delivery
	ok := isNull(val) || eachElement(val, func(v []byte) {
		d := catalog.Delivery{Enabled: true}
		var kind, day, frame string
		hour := -1
		var people []byte
		target := false
		eachMember(v, func(k string, v []byte) {
			switch k {
			case "channel_type":
				d.Channel = f.text("channels.channel_type", v)
			case "enabled":
				d.Enabled = isNull(v) || f.flag("channels.enabled", v)
			case "schedule_type":
				kind = f.text("channels.schedule_type", v)
			case "schedule_hour":
				if n, ok := f.integer("channels.schedule_hour", v); ok && n >= 0 && n < 24 {
					hour = int(n)
				}
			case "schedule_day":
				day = f.text("channels.schedule_day", v)
			case "schedule_frame":
				frame = f.text("channels.schedule_frame", v)
			case "recipients":
				people = v
			case "details", "channel_id": // only whether there is a target
				target = target || isNumber(v) || isObject(v) && len(v) > 2
			}
		})
		c.recipients(f, "channels.recipients", people, &d)
		if d.Channel != "email" {
			d.ExternalRecipients = 0 // a Slack channel is a recipient, and no address
			if d.Recipients == 0 && target {
				d.Recipients = 1
			}
		}
		d.Schedule = schedule(kind, hour, day, frame)
		out = append(out, d)
	})
	if !ok {
		f.add("channels")
	}
	return out
}

// schedule writes "daily 08:00", "weekly mon 08:00", "monthly first mon 08:00".
func schedule(kind string, hour int, day, frame string) string {
	parts := []string{kind}
	if kind == "monthly" && frame != "" {
		parts = append(parts, frame)
	}
	if (kind == "weekly" || kind == "monthly") && day != "" {
		parts = append(parts, day)
	}
	if hour >= 0 && kind != "hourly" {
		parts = append(parts, fmt.Sprintf("%02d:00", hour))
	}
	return strings.TrimSpace(strings.Join(parts, " "))
}

// Subscriptions reads dashboard subscriptions. Read people before, or the
// number of external recipients and the owners' state stay estimates.
func (c *Client) Subscriptions(ctx context.Context) ([]*catalog.Subscription, []catalog.Gap, error) {
	req, err := routePulses.request("")
	if err != nil {
		return nil, nil, err
	}
	l := list[*catalog.Subscription]{what: "subscriptions", kind: catalog.KindSubscription, placed: true, decode: func(f *faults, val []byte) (string, *catalog.Subscription, bool) {
		s := &catalog.Subscription{}
		eachMember(val, func(k string, v []byte) {
			switch k {
			case "dashboard_id":
				s.DashboardID = f.id(k, v)
			case "collection_id":
				s.CollectionID = f.id(k, v)
			case "skip_if_empty":
				s.SkipIfEmpty = f.flag(k, v)
			case "cards":
				eachElement(v, func(v []byte) {
					eachMember(v, func(k string, v []byte) {
						if k != "id" {
							return
						}
						if id := f.id("cards.id", v); id != "" {
							s.QuestionIDs = append(s.QuestionIDs, id)
						}
					})
				})
			case "channels":
				s.Deliveries = c.channels(f, v)
			default:
				c.common(f, &s.Common, k, v)
			}
		})
		s.OwnerActive = c.names.active(s.CreatorID)
		return s.ID, s, s.CollectionID == "" || !c.leftOut(s.CollectionID)
	}}
	out, gaps, err := l.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, lack{what: l.what, kind: l.kind})
}

// Alerts reads alerts on questions, from notifications where the server has them.
func (c *Client) Alerts(ctx context.Context) ([]*catalog.Alert, []catalog.Gap, error) {
	missing := lack{what: "alerts", kind: catalog.KindAlert}
	major := c.major.Load()
	if major == 0 || major >= 54 {
		req, err := routeNotifications.request("")
		if err != nil {
			return nil, nil, err
		}
		out, gaps, err := list[*catalog.Alert]{what: missing.what, kind: missing.kind, decode: c.notification}.all(ctx, c, req)
		if major != 0 || !IsMissing(err) {
			return optional(ctx, c, out, gaps, err, missing)
		}
	}
	req, err := routeAlerts.request("")
	if err != nil {
		return nil, nil, err
	}
	out, gaps, err := list[*catalog.Alert]{what: missing.what, kind: missing.kind, decode: c.alert}.all(ctx, c, req)
	return optional(ctx, c, out, gaps, err, missing)
}

// alert decodes an alert of servers before 0.54.
func (c *Client) alert(f *faults, val []byte) (string, *catalog.Alert, bool) {
	a := &catalog.Alert{}
	var condition string
	above := false
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "card":
			eachMember(v, func(k string, v []byte) {
				switch k {
				case "id":
					a.QuestionID = f.id("card.id", v)
				case "name":
					a.Name = f.text("card.name", v)
				}
			})
		case "alert_condition":
			condition = f.text(k, v)
		case "alert_first_only":
			a.SendOnce = f.flag(k, v)
		case "alert_above_goal":
			above = f.flag(k, v)
		case "channels":
			a.Deliveries = c.channels(f, v)
		case "name": // a pulse's unused name
		default:
			c.common(f, &a.Common, k, v)
		}
	})
	switch {
	case condition == "rows":
		a.Condition = "has_result"
	case condition == "goal" && above:
		a.Condition = "goal_above"
	case condition == "goal":
		a.Condition = "goal_below"
	}
	a.OwnerActive = c.names.active(a.CreatorID)
	return a.ID, a, true
}

// notification decodes a notification; only those on questions are alerts.
func (c *Client) notification(f *faults, val []byte) (string, *catalog.Alert, bool) {
	a := &catalog.Alert{}
	active, kind, cron := true, "", ""
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "active":
			active = isNull(v) || f.flag(k, v)
		case "payload_type":
			kind = f.text(k, v)
		case "payload":
			eachMember(v, func(k string, v []byte) {
				switch k {
				case "card_id":
					a.QuestionID = f.id("payload.card_id", v)
				case "send_condition":
					a.Condition = f.text("payload.send_condition", v)
				case "send_once":
					a.SendOnce = f.flag("payload.send_once", v)
				case "card":
					eachMember(v, func(k string, v []byte) {
						if k == "name" {
							a.Name = f.text("payload.card.name", v)
						}
					})
				}
			})
		case "subscriptions":
			eachElement(v, func(v []byte) {
				eachMember(v, func(k string, v []byte) {
					if k == "cron_schedule" && cron == "" {
						cron = f.text("subscriptions.cron_schedule", v)
					}
				})
			})
		case "handlers":
			eachElement(v, func(v []byte) { a.Deliveries = append(a.Deliveries, c.handler(f, v)) })
		default:
			c.common(f, &a.Common, k, v)
		}
	})
	for i := range a.Deliveries {
		a.Deliveries[i].Enabled = a.Deliveries[i].Enabled && active
		a.Deliveries[i].Schedule = cron
	}
	a.OwnerActive = c.names.active(a.CreatorID)
	return a.ID, a, kind == "notification/card" || kind == "card"
}

func (c *Client) handler(f *faults, val []byte) catalog.Delivery {
	d := catalog.Delivery{Enabled: true}
	var people []byte
	target := false
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "channel_type":
			d.Channel = strings.TrimPrefix(f.text("handlers.channel_type", v), "channel/")
		case "active":
			d.Enabled = isNull(v) || f.flag("handlers.active", v)
		case "channel_id":
			target = !isNull(v)
		case "recipients":
			people = v
		}
	})
	// A notification's recipients have ids of their own; only user_id names a person.
	count := d
	count.Channel = ""
	c.recipients(f, "handlers.recipients", people, &count)
	d.Recipients, d.ExternalRecipients = count.Recipients, count.ExternalRecipients
	if d.Channel != "email" {
		d.ExternalRecipients = 0 // a Slack channel is a recipient, and no address
		if d.Recipients == 0 && target {
			d.Recipients = 1
		}
	}
	return d
}
