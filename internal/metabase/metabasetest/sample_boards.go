package metabasetest

import "strconv"

func itoa(n int) string { return strconv.Itoa(n) }

func (b *sampleBuilder) dashboards() {
	date := Parameter{ID: "a1date01", Name: "Date", Slug: "date", Type: "date/all-options"}
	country := Parameter{ID: "a1ctry01", Name: "Country", Slug: "country", Type: "string/=", HasDefault: true}
	channel := Parameter{ID: "a1chan01", Name: "Channel", Slug: "channel", Type: "string/=", LinkedTo: []string{"a1ctry01"}}
	created := Target{Field: b.f("orders.created_at")}
	shipTo := Target{Field: b.f("orders.shipping_country")}
	id := func(card string) int { return b.cards[card].ID }

	sales, people := &Tab{Name: "Sales"}, &Tab{Name: "Customers"}
	board := b.dash("exec", "Company overview", []tile{
		heading("Where we stand").on(sales),
		show("Orders today", 6, 3).on(sales),
		show("Open orders", 6, 3).on(sales),
		show("Revenue by month", 24, 8).filter(date.ID, created).filter(country.ID, shipTo).on(sales),
		show("Revenue by country").filter(date.ID, created).on(sales).clicks(Click{To: "question", ID: id("Revenue by channel")}),
		show("Revenue by channel").filter(date.ID, Target{Tag: "created"}).on(sales),
		show("Revenue this month against plan", 24, 7).on(sales),
		show("First orders and repeat orders", 24, 7).on(people),
		show("Cohort retention", 24, 9).on(people),
		show("Customers by segment").on(people),
		show("Opt-in rate by country").on(people),
	}, about("The first page of the weekly leadership meeting."), filters(date, country), tabs(sales, people), seen(4310, 0),
		func(_ *sampleBuilder, d *Dashboard) { d.Verified, d.Position, d.FullWidth = true, 1, true })
	b.dash("exec", "Board report", []tile{
		note("Figures are final on the tenth working day."),
		show("Revenue per month (accounting view)").with(id("Revenue by month")), show("Gross margin by category"), show("Subscription MRR"),
		show("Revenue forecast 🔮"),
	}, owner("Samuel"), seen(380, 9))
	b.dash("finance", "Month-end checklist", []tile{
		show("Invoices without payment"), show("Payouts against orders"), show("Refunds booked and paid"), show("Credit notes over 500"),
		show("VAT by country", 24, 8),
	}, owner("Samuel"), about("Everything on this page must be explained before closing."), seen(290, 4))
	b.dash("finance", "Finance KPIs", []tile{
		show("Revenue per month (accounting view)"), show("Payment fees"), show("Cost by cost centre"), show("MRR"), show("Subscription MRR"),
	}, owner("Samuel"), filters(Parameter{ID: "f1year01", Name: "Year", Type: "date/relative"}), seen(310, 2))
	b.dash("marketing", "Marketing weekly", []tile{
		heading("Paid"), show("Campaign ROAS", 24, 8).filter(date.ID, Target{Tag: "day"}).filter(channel.ID, Target{Variable: "channel"}),
		show("Ad spend by channel").filter(date.ID, Target{Field: b.f("marketing.ad_spend.day")}),
		show("Cost per new customer"), show("CAC"),
		heading("Owned"), show("Newsletter performance"), show("SEO positions"), show("Influencer codes"), show("Monthly revenue"),
	}, owner("Lena"), filters(date, channel, country), about("Monday 10:00."), seen(1290, 0))
	b.dash("campaigns", "Black Friday 2022", []tile{
		show("Black Friday 2022 hourly", 24, 9), show("BF22 landing page"),
	}, owner("Oliver"), seen(12, 430))
	b.dash("campaigns", "Black Friday 2023", []tile{
		show("Black Friday 2022 hourly", 24, 9), show("Campaign ROAS"),
	}, owner("Pieter"), seen(31, 350))
	b.dash("crm", "CRM cockpit", []tile{
		show("Newsletter performance"), show("Newsletter performance v2"), show("Win-back candidates"), show("VIP customers by country"),
		show("Loyalty tiers"), show("Loyalty tier revenue"), show("Referral funnel").filter("c1period", Target{Tag: "time_range"}),
		show("Cohort retention", 24, 8),
	}, owner("Marta"), filters(Parameter{ID: "c1period", Name: "Period", Type: "date/all-options"}), seen(520, 1))
	b.dash("product", "Site health", []tile{
		show("Checkout funnel"), show("Conversion rate by device"), show("Landing pages"), show("Sessions by source"), show("Abandoned carts"),
		{Dashcard: Dashcard{Virtual: "iframe", Text: "https://status.larkspur-outdoor.example/embed", Width: 24, Height: 6}},
		{Dashcard: Dashcard{Virtual: "link", LinkModel: "dashboard", LinkID: board.ID, Width: 8, Height: 1}},
		{Dashcard: Dashcard{Virtual: "link", Text: "https://wiki.larkspur-outdoor.example/tracking", Width: 8, Height: 1}},
	}, owner("Aiko"), seen(870, 0))
	b.dash("exp", "🧪 Running experiments", []tile{
		show("Experiment results", 24, 8).filter("e1exp001", Target{Variable: "experiment"}), show("Checkout test: one page or three?"),
	}, owner("Aiko"), filters(Parameter{ID: "e1exp001", Name: "Experiment", Type: "category", StaticValues: []string{"checkout-2024-05", "pdp-video"}}), seen(190, 6))
	ops := b.dash("ops", "Warehouse floor", []tile{
		show("Open orders", 8, 4), show("Orders by status", 8, 4), show("Stock-outs today", 24, 10), show("Delivered on time", 24, 8).
			filter(date.ID, Target{Tag: "handed_over"}), show("Picking errors"), show("Parcels by carrier"),
	}, owner("Mateusz"), filters(date), about("Runs on the screen in hall 2."), seen(5120, 0))
	ops.PublicUUID, ops.MadePublicBy = uuidOf("public dashboard", ops.ID), b.who["Mateusz"]
	b.dash("ops", "Purchasing", []tile{show("Late purchase orders"), show("Slow movers"), show("Stock value"), show("Copy of Stock value")},
		owner("Fatima"), seen(160, 6))
	b.dash("returns", "Returns", []tile{
		show("Return rate by category"), show("Return reasons").filter(date.ID, Target{Tag: "received"}), show("Days until inspection").
			filter(date.ID, Target{Field: b.f("logistics.returns.received_at")}), show("Refund amount by reason"), show("Serial returners"),
	}, owner("Fatima"), filters(date), seen(640, 1))
	b.dash("care", "Care – live", []tile{
		show("Tickets per day"), show("Open tickets by team"), show("First reply time").filter("k1chan01", Target{Variable: "channel"}),
		show("Satisfaction by agent"), show("Tickets by topic").clicks(Click{To: "dashboard", ID: 4711}),
		show("Tickets per 100 orders", 24, 7),
	}, owner("Rafael"), filters(Parameter{ID: "k1chan01", Name: "Channel", Type: "string/=", SourceCardID: id("Tickets by topic"), ValueField: "topic"}), seen(2040, 0))
	b.dash("israel", "ישראל – סקירה", []tile{show("הכנסות לפי חודש"), show("לקוחות חדשים 🇮🇱")}, owner("נועה"), seen(210, 2))
	b.dash("old", "Revenue (old)", []tile{
		show("Revenue by month v2 FINAL"), show("Revenue dashboard helper"), show("Paid orders by week"), show("Q3 board numbers"), show("Base: paid orders"),
	}, owner("Jonas"), filters(Parameter{ID: "o1gone01", Name: "Segment", Type: "category"}), seen(9, 400))
	b.dash("", "Sales", []tile{show("Revenue by month (SQL)"), show("Top customers"), show("orders by status")}, owner("Oliver"), seen(88, 70))
	b.dash("", "Sales", []tile{show("Revenue by month (SQL)"), show("Top customers"), show("orders by status"), show("Top customers 2")}, owner("Pieter"), seen(14, 170))
	b.dash("pMarta", "Agency report", []tile{show("Agency weekly numbers"), show("Campaign ROAS")}, owner("Marta"), seen(120, 1))
	b.dash("bf22", "BF22 war room", []tile{show("BF22 landing page")}, owner("Oliver"), seen(2, 600),
		func(_ *sampleBuilder, d *Dashboard) { d.Archived = true })

	// Questions that live inside a dashboard, saved after the upgrade.
	inside := func(d *Dashboard, name string, q *Query, options ...cardOption) {
		c := b.add("", name, q, append(options, newer(), age(90, 40)))
		c.DashboardID, c.CollectionID = d.ID, d.CollectionID
		dc := &Dashcard{CardID: c.ID, Width: 12, Height: 6, Row: 90}
		if len(d.Tabs) > 0 {
			dc.Tab = d.Tabs[0]
		}
		d.Cards = append(d.Cards, dc)
		b.w.addDashcard(d, dc)
	}
	inside(board, "Revenue last seven days", Structured(b.warehouse, Stage{
		SourceTable: b.table("orders").ID, Aggregation: []Expr{MetricRef(b.cards["Revenue"].ID)}, Breakout: []Expr{b.f("orders.created_at").By("day")},
		Filters: []Expr{{Op: "time-interval", Args: []Expr{b.f("orders.created_at"), Num(-7), Text("day")}, IncludeCurrent: true}},
	}), display("bar"), by("Ingrid"), used(640, 0))
	inside(ops, "Parcels waiting", Structured(b.warehouse, Stage{
		SourceTable: b.table("logistics.shipments").ID, Aggregation: []Expr{Count()},
		Filters: []Expr{Call("is-null", b.f("logistics.shipments.handed_over_at"))},
	}), display("scalar"), by("Mateusz"), used(900, 0))
	inside(ops, "Units picked per week", Structured(b.warehouse, Stage{
		SourceTable: b.table("order_items").ID, Aggregation: []Expr{MeasureRef(2)},
		Breakout: []Expr{b.f("orders.created_at").Via(b.col("order_items.order_id")).By("week")},
	}, Stage{
		Filters: []Expr{Call(">", ColumnNamed("sum", "type/Decimal"), Num(100))},
		OrderBy: []Order{{By: ColumnNamed("created_at", "type/DateTimeWithLocalTZ")}},
	}), display("line"), by("Mateusz"), used(300, 1))
}

func (b *sampleBuilder) deliveries() {
	w := b.w
	on := func(name string) int { return w.DashboardByName(name).ID }
	mail := func(schedule string, hour int, outside []string, people ...string) Channel {
		c := Channel{Type: "email", Schedule: schedule, Hour: hour, Outside: outside, Day: "mon"}
		for _, p := range people {
			c.People = append(c.People, b.who[p])
		}
		return c
	}
	subscribe := func(dashboard, owner string, channels ...Channel) {
		w.AddSubscription(&Subscription{
			Name: dashboard, DashboardID: on(dashboard), CollectionID: w.DashboardByName(dashboard).CollectionID,
			CreatorID: b.who[owner], Channels: channels, CreatedAt: b.days(300), UpdatedAt: b.days(200),
		})
	}
	subscribe("Company overview", "Ingrid", mail("weekly", 7, nil, "Björn", "Ingrid", "Samuel", "Oliver"))
	subscribe("Marketing weekly", "Lena", mail("weekly", 8, []string{"reports@brightpath-agency.example"}, "Lena", "Marta", "Pieter"))
	subscribe("Month-end checklist", "Samuel", mail("monthly", 6, nil, "Samuel", "Hannah"))
	subscribe("Black Friday 2023", "Pieter", mail("daily", 6, nil, "Pieter", "Oliver"))
	subscribe("CRM cockpit", "Oliver", mail("daily", 9, nil, "Oliver"))
	subscribe("Warehouse floor", "Mateusz", Channel{Type: "slack", Schedule: "daily", Hour: 6})
	subscribe("Sales", "Oliver", mail("weekly", 8, nil))
	subscribe("Agency report", "Marta", mail("weekly", 8, []string{"kai@brightpath-agency.example", "ops@brightpath-agency.example"}, "Marta"))
	alert := func(card, condition, owner string, channels ...Channel) {
		w.AddAlert(&Alert{
			CardID: b.cards[card].ID, Condition: condition, CreatorID: b.who[owner], Channels: channels,
			CreatedAt: b.days(250), UpdatedAt: b.days(250),
		})
	}
	alert("Stock-outs today", "has_result", "Fatima", mail("daily", 7, nil, "Fatima", "Yusuf"))
	alert("Open orders", "goal_above", "Mateusz", Channel{Type: "slack", Schedule: "hourly"})
	alert("Coupon abuse check", "has_result", "Pieter", mail("daily", 8, nil, "Pieter"))
	alert("Invoices without payment", "has_result", "Samuel", mail("weekly", 9, []string{"collections@inkasso-nord.example"}, "Samuel"))

	w.AddTransform(&Transform{
		Name: "Daily revenue", Description: "Fills analytics.daily_revenue.", DatabaseID: b.warehouse, TargetSchema: "analytics",
		TargetTable: "daily_revenue", CreatorID: b.who["Tomás"], Query: Native(b.warehouse,
			"select o.created_at::date as day, o.shop_id, count(*) as orders, sum(o.gross_amount) as gross_revenue,\n"+
				"       sum(o.net_amount) as net_revenue, coalesce(sum(r.amount), 0) as refunds\n"+
				"from analytics.orders o left join analytics.refunds r on r.order_id = o.order_id\nwhere not o.is_test group by 1, 2"),
	})
	w.AddTransform(&Transform{
		Name: "Customer cohorts", DatabaseID: b.warehouse, TargetSchema: "analytics", TargetTable: "customer_cohorts", CreatorID: b.who["Emily"],
		Python:       "import pandas as pd\n\ndef transform(orders, customers):\n    return cohorts(orders, customers)\n",
		SourceTables: map[string]int{"orders": b.table("orders").ID, "customers": b.table("customers").ID},
	})
	b.table("daily_revenue").TransformID, b.table("customer_cohorts").TransformID = 1, 2
	w.AddAction(&Action{
		Name: "Update ticket", ModelID: b.cards["Tickets"].ID, Type: "implicit", CreatorID: b.who["Rafael"], DatabaseID: b.warehouse,
	})
	w.AddAction(&Action{
		Name: "Mark order as test", ModelID: b.cards["Orders (clean)"].ID, Type: "query", CreatorID: b.who["Tomás"], DatabaseID: b.warehouse,
		SQL: "update analytics.orders set is_test = true where order_id = {{id}}", PublicUUID: uuidOf("public action", 2),
	})
	w.AddDocument(&Document{
		Name: "Why Q2 was strong", CollectionID: b.in["exec"], CreatorID: b.who["Ingrid"], ViewCount: 44,
		CardIDs: []int{b.cards["Revenue by month"].ID, b.cards["Cohort retention"].ID}, CreatedAt: b.days(70), UpdatedAt: b.days(60),
	})
}
