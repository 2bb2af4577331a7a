package metabasetest

func (b *sampleBuilder) operations() {
	mateusz, fatima, yusuf := by("Mateusz"), by("Fatima"), by("Yusuf")
	b.sql("ops", "Delivered on time", `
select date_trunc('week', s.handed_over_at) as week, c.name as carrier,
       avg((s.delivered_at::date <= s.promised_on)::int) as on_time_rate, count(*) as count_parcels
from logistics.shipments s
join logistics.carriers c using (carrier_id)
where s.delivered_at is not null
  [[and {{handed_over}}]]
group by 1, 2 order by 1`,
		tagged("handed_over", "dimension", "logistics.shipments.handed_over_at"), display("line"), mateusz,
		desc("Share of parcels delivered by the promised day."), checked(), used(540, 0), slow(1700))
	b.mbql("ops", "Open orders", "orders", Stage{
		Aggregation: []Expr{Count()},
		Filters: []Expr{
			Call("is-null", b.f("orders.shipped_at")), Call("is-null", b.f("orders.cancelled_at")),
			Call("<", b.f("orders.created_at"), Call("relative-datetime", Num(-2), Text("day"))),
		},
	}, display("scalar"), mateusz, used(690, 0))
	b.sql("ops", "Stock-outs today", `
select p.sku, p.name, v.size, v.colour, w.name as warehouse
from logistics.stock_levels s
join analytics.product_variants v using (variant_id)
join analytics.products p using (product_id)
join logistics.warehouses w using (warehouse_id)
where s.day = current_date - 1 and s.on_hand - s.reserved <= 0 and p.is_active
order by p.sku`, fatima, used(370, 0), slow(6400))
	b.sql("ops", "Stock value", `
select w.name as warehouse, sum(s.on_hand * p.cost_price) as stock_value
from logistics.stock_levels s
join analytics.product_variants v on v.variant_id = s.variant_id
join analytics.products p on p.product_id = v.product_id
join logistics.warehouses w on w.warehouse_id = s.warehouse_id
where s.day = (select max(day) from logistics.stock_levels)
group by w.name`, display("bar"), fatima, used(120, 3), slow(9900))
	b.sql("ops", "Copy of Stock value", `
select w.name as warehouse, sum(s.on_hand * p.list_price) as stock_value
from logistics.stock_levels s
join analytics.product_variants v on v.variant_id = s.variant_id
join analytics.products p on p.product_id = v.product_id
join logistics.warehouses w on w.warehouse_id = s.warehouse_id
where s.day = (select max(day) from logistics.stock_levels)
group by w.name`, display("bar"), by("Nils"), used(11, 99), age(240, 238))
	b.sql("ops", "Late purchase orders", `
select supplier, count(*) as count_orders, avg(coalesce(arrived_on, current_date) - expected_on) as avg_days_late
from logistics.purchase_orders
where coalesce(arrived_on, current_date) > expected_on
group by supplier order by 3 desc`, fatima, used(84, 6))
	b.sql("ops", "Shipping cost per order", `
select date_trunc('month', s.handed_over_at) as month, sum(s.cost) / count(distinct s.order_id) as cost_per_order
from logistics.shipments s group by 1 order by 1`, display("line"), mateusz, used(190, 4))
	b.mbql("ops", "Parcels by carrier", "logistics.shipments", Stage{
		Aggregation: []Expr{Count()},
		Breakout:    []Expr{b.f("logistics.carriers.name").Via(b.col("logistics.shipments.carrier_id")), b.f("logistics.shipments.handed_over_at").By("month")},
	}, display("area"), mateusz, used(145, 2))
	b.mbql("ops", "Shipments", "logistics.shipments", Stage{Limit: 2000}, yusuf, used(12, 140), age(600, 600))
	b.sql("ops", "Picking errors", `
select date_trunc('week', t.opened_at) as week, count(*) as count_errors
from support.tickets t where t.topic = 'wrong item' group by 1 order by 1`, display("bar"), yusuf, used(71, 9))
	b.sql("ops", "Warehouse capacity 2023", `
select w.name, sum(l.on_hand) as units from logistics.stock_levels l, logistics.warehouses w
where l.day = '2023-10-01' group by w.name`, yusuf, used(2, 600), age(780, 780))
	b.sql("returns", "Return rate by category", `
select category, sum(returned) / nullif(sum(sold), 0) as return_rate
from (
    select k.name as category, i.quantity as sold, coalesce(i.returned_quantity, 0)::numeric as returned
    from analytics.order_items i
    join analytics.products p using (product_id)
    join analytics.categories k using (category_id)
) x
group by category order by return_rate desc`, display("bar"), fatima, desc("Share of units that come back."), used(260, 1), slow(2400))
	b.sql("returns", "Return reasons", `
select reason, count(*) as count_returns from logistics.returns where {{received}} group by reason order by 2 desc`,
		tagged("received", "dimension", "logistics.returns.received_at"), display("row"), fatima, used(230, 2))
	b.mbql("returns", "Days until inspection", "logistics.returns", Stage{
		Expressions: []NamedExpr{{Name: "Days", Expr: Call("datetime-diff", b.f("logistics.returns.received_at"), b.f("logistics.returns.inspected_at"), Text("day"))}},
		Aggregation: []Expr{Call("median", Custom("Days", "type/Integer"))},
		Breakout:    []Expr{b.f("logistics.returns.received_at").By("week")},
	}, display("line"), fatima, used(99, 5))
	b.mbql("returns", "Refund amount by reason", "refunds", Stage{
		Aggregation: []Expr{Call("sum", b.f("refunds.amount"))}, Breakout: []Expr{b.f("refunds.reason")},
	}, display("pie"), fatima, used(101, 6))
	b.sql("returns", "Serial returners", `
select c.email, c.first_name, c.last_name, count(*) as count_returns
from logistics.returns r join analytics.orders o using (order_id) join analytics.customers c using (customer_id)
group by 1, 2, 3 having count(*) > 8 order by 4 desc`, fatima, used(45, 13))
}

func (b *sampleBuilder) care() {
	claire, rafael := by("Claire"), by("Rafael")
	b.over("care", "Tickets per day", "Tickets", Stage{
		Aggregation: []Expr{Count()}, Breakout: []Expr{ColumnNamed("opened_at", "type/DateTimeWithLocalTZ").By("day")},
	}, display("line"), rafael, used(480, 0))
	b.over("care", "Open tickets by team", "Tickets", Stage{
		Aggregation: []Expr{Count()}, Breakout: []Expr{ColumnNamed("team", "type/Text")},
		Filters: []Expr{Call("!=", ColumnNamed("status", "type/Text"), Text("solved"))},
	}, display("bar"), rafael, used(410, 0))
	b.sql("care", "First reply time", `
select date_trunc('day', opened_at) as day,
       percentile_cont(0.5) within group (order by first_reply_at - opened_at) as median_reply
from support.tickets
where opened_at > now() - interval '60 days' and channel = {{channel}}
group by 1 order by 1`, tagged("channel", "text"), display("line"), rafael, used(350, 1))
	b.sql("care", "First reply time (chat)", `
select date_trunc('day', opened_at) as day,
       percentile_cont(0.5) within group (order by first_reply_at - opened_at) as median_reply
from support.tickets
where opened_at > now() - interval '60 days' and channel = 'chat'
group by 1 order by 1`, display("line"), rafael, used(61, 17))
	b.sql("care", "Satisfaction by agent", `
select a.name, avg(t.satisfaction) as avg_satisfaction, count(*) as count_tickets
from support.tickets t join support.agents a using (agent_id)
where t.satisfaction is not null group by a.name order by 2`, claire, used(170, 3))
	b.mbql("care", "Tickets by topic", "support.tickets", Stage{
		Aggregation: []Expr{Count()}, Breakout: []Expr{b.f("support.tickets.topic")},
		OrderBy: []Order{{Descending: true, By: AggregationAt(0)}},
	}, display("row"), claire, used(220, 2))
	b.sql("care", "Tickets per 100 orders", `
select d.month, 100.0 * count(distinct t.ticket_id) / nullif(count(distinct o.order_id), 0) as ticket_rate
from analytics.dim_date d
left join support.tickets t on t.opened_at::date = d.day
left join analytics.orders o on o.created_at::date = d.day
group by d.month order by d.month`, display("line"), claire, used(130, 4), slow(14200))
	b.sql("care", "Where is my order", `
select o.order_number, o.status, s.tracking_number, s.handed_over_at, s.promised_on, c.email
from analytics.orders o
left join logistics.shipments s using (order_id)
join analytics.customers c using (customer_id)
where o.order_number = {{order_number}} or c.email = {{email}}`,
		tagged("order_number", "text"), tagged("email", "text"), claire, desc("Lookup for the phone."), used(1320, 0), slow(150))
	b.sql("care", "Messages mentioning lawyers", `
select t.ticket_id, m.sent_at, m.body from support.ticket_messages m join support.tickets t using (ticket_id)
where m.body ilike '%lawyer%' or m.body ilike '%Anwalt%' order by m.sent_at desc limit 200`, claire, used(28, 31))
	b.mbql("care", "Macros", "support.macros", Stage{}, rafael, used(9, 160))
}

// leftovers is what piles up in four years.
func (b *sampleBuilder) leftovers() {
	jonas, sofia := by("Jonas"), by("Sofia")
	b.sql("scratch", "test", `select 1`, jonas, unused(), age(900, 900))
	b.sql("scratch", "test 2", `select * from staging.tmp_jonas_2023`, jonas, unused(), age(820, 820))
	b.sql("scratch", "Untitled", `select count(*) from analytics.orders`, sofia, used(2, 500), age(700, 700))
	b.sql("scratch", "Orders per hour (draft)", `
select extract(hour from created_at) as hour, count(*) from analytics.orders group by 1`, sofia, used(4, 480), age(690, 690))
	b.add("scratch", "Broken import", nil, []cardOption{jonas, unused(), age(650, 650)})
	b.sql("old22", "Revenue dashboard helper", `
select date_trunc('week', created) as week, sum(total) as revenue from analytics.orders_v1 group by 1`, jonas, used(6, 420), age(1100, 1000))
	b.sql("old22", "Old customers", `select id, email, name from staging.stg_customers limit 1000`, jonas, used(1, 520), age(1050, 1050))
	b.sql("oldq3", "Q3 board numbers", `
select 'orders' as name, count(*) as value from analytics.orders_v1
union
select 'revenue', sum(total) from analytics.orders_v1`, by("Oliver"), used(3, 480), age(1150, 1140))
	b.sql("oldq3", "Q3 board numbers (copy)", `
select 'orders' as name, count(*) as value from analytics.orders_v1
union
select 'revenue', sum(total) from analytics.orders_v1`, by("Oliver"), unused(), age(1140, 1140))
	b.sql("old", "Customer base", `
select date_trunc('month', created_at) as month, count(*) as customers from analytics.customers group by 1`, sofia, used(14, 260), age(880, 880))
	b.sql("old", "Base: paid orders", `
select * from analytics.orders o where o.status = 'paid'`, jonas, used(40, 45), age(980, 900), archived())
	b.sql("old", "Paid orders by week", `
select date_trunc('week', created_at) as week, count(*) as orders from {{#@Base: paid orders}} b group by 1`, jonas, used(58, 20), age(970, 890))
	b.sql("old", "Deleted source", `
select * from {{#9412-orders-2021}} x where x.total > 100`, jonas, used(3, 460), age(990, 990))
	b.sql("old", "Unknown snippet", `
select count(*) as orders from analytics.orders o where {{snippet: exclude b2b}}`, sofia, used(5, 330), age(640, 640))
	b.sql("data", "Order bridge A", `select 1 as x`, jonas, used(2, 390), age(620, 600))
	a := b.cards["Order bridge A"]
	c := b.sql("data", "Order bridge B", `select * from {{#@Order bridge A}} a`, jonas, used(2, 390), age(620, 600))
	a.Query.Stages[0] = Stage{
		SQL: "select * from {{#" + itoa(c.ID) + "-order-bridge-b}} b", Tags: []Tag{{Name: "#" + itoa(c.ID) + "-order-bridge-b", Type: "card", CardID: c.ID}},
	}
	b.over("old", "Archived base, still used", "Base: paid orders", Stage{Aggregation: []Expr{Count()}}, jonas, used(23, 35))
	b.mbql("old", "Old field", "orders", Stage{
		Aggregation: []Expr{Call("sum", ColumnID(99881, "type/Decimal"))}, Breakout: []Expr{b.f("orders.created_at").By("month")},
	}, jonas, used(7, 300), age(860, 860))
	b.sql("pJonas", "Salary check", `
select full_name, gross_salary from finance.payroll where full_name = 'Oliver Grant'`, jonas, used(2, 330), age(500, 500))
	b.sql("pPriya", "Draft: margin per order", `
select o.order_id, sum(l.margin) as margin from {{#@Order lines with margin}} l join analytics.orders o using (order_id) group by 1`, used(12, 3))
	b.sql("pPriyaDrafts", "try lateral", `
select o.order_id, x.first_item from analytics.orders o
cross join lateral (select i.product_id as first_item from analytics.order_items i where i.order_id = o.order_id limit 1) x limit 50`, used(3, 6))
	b.mbql("pEmily", "Units by weekday", "order_items", Stage{
		Aggregation: []Expr{Call("sum", b.f("order_items.quantity"))},
		Breakout:    []Expr{b.f("orders.created_at").Via(b.col("order_items.order_id")).By("day-of-week")},
	}, by("Emily"), used(28, 2))
	b.sql("pMarta", "Agency weekly numbers", `
select date_trunc('week', created_at) as week, count(*) as orders, sum(gross_amount) as revenue
from analytics.orders where coupon_code like 'AG-%' group by 1 order by 1`, by("Marta"), used(140, 1))
	b.sqlOn(b.replica, "scratch", "Shop users with weak passwords?", `
select id, email, encrypted_password, current_sign_in_ip from users where sign_in_count > 0 limit 100`, jonas, used(1, 380), age(540, 540))
	b.sqlOn(b.replica, "product", "Abandoned carts", `
select date(updated_at) as day, count(*) as carts_count, sum(total) as cart_value
from carts where state = 'open' and updated_at < now() - interval 1 day group by 1`, display("bar"), by("Aiko"), used(155, 2))
	b.sqlOn(b.replica, "product", "Missing translations", `
select p.product_id, l.locale from product_translations p
cross join (select distinct locale from product_translations) l
left join product_translations t on t.product_id = p.product_id and t.locale = l.locale
where t.id is null`, by("Aiko"), used(20, 30))
	b.sql("partner", "Partner sales", `
select b.name as brand, sum(i.line_total) as revenue, sum(i.quantity) as units
from analytics.order_items i join analytics.products p using (product_id) join analytics.brands b using (brand_id)
where b.name = {{brand}} group by 1`, tagged("brand", "text"), by("Fatima"), used(36, 26), func(_ *sampleBuilder, c *Card) {
		c.Embedded, c.EmbeddingParams = true, map[string]string{"brand": "locked"}
	})
}
