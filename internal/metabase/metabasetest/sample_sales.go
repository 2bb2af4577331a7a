package metabasetest

func (b *sampleBuilder) modelsAndMetrics() {
	tomas := by("Tomás")
	b.sql("models", "Orders (clean)", `
select
    o.order_id,
    o.order_number,
    o.customer_id,
    s.name as shop,
    o.channel,
    o.status,
    o.shipping_country as country,
    o.gross_amount,
    o.net_amount,
    o.created_at,
    o.created_at::date as order_date,
    o.is_first_order
from analytics.orders o
join analytics.shops s on s.shop_id = o.shop_id
where {{snippet: valid orders}}`,
		model(), tomas, desc("Valid orders with shop names. Start here for anything about orders."), checked(), pinned(), used(812, 0), slow(640))
	b.sql("models", "Customers (clean)", `
select
    c.customer_id,
    c.country,
    c.segment,
    c.newsletter_opt_in,
    c.first_order_at,
    c.last_order_at,
    c.lifetime_orders,
    c.lifetime_value
from analytics.customers c
where {{snippet: not a test customer}}`,
		model(), tomas, desc("Customers without test accounts and without contact data."), checked(), pinned(), used(640, 0), slow(410))
	b.sql("models", "Order lines with margin", `
select
    i.order_item_id,
    i.order_id,
    p.product_id,
    p.name as product,
    b.name as brand,
    k.name as category,
    i.quantity - coalesce(i.returned_quantity, 0) as units,
    i.line_total,
    i.line_total - p.cost_price * i.quantity as margin,
    o.created_at
from analytics.order_items i
join analytics.orders o on o.order_id = i.order_id
join analytics.products p on p.product_id = i.product_id
left join analytics.brands b on b.brand_id = p.brand_id
left join analytics.categories k on k.category_id = p.category_id
where {{snippet: valid orders}}`,
		model(), by("Emily"), desc("One row per order line with brand, category and margin."), checked(), used(520, 1), slow(2900))
	b.mbql("models", "Tickets", "support.tickets", Stage{
		Joins: []Join{{
			Alias: "Agents", SourceTable: b.table("support.agents").ID, Fields: "all",
			Conditions: []Expr{Call("=", b.f("support.tickets.agent_id"), b.f("support.agents.agent_id").Joined("Agents"))},
		}},
		Filters: []Expr{Call("not-null", b.f("support.tickets.opened_at"))},
	}, model(), by("Rafael"), desc("Tickets with the agent who solved them."), used(130, 3))
	b.mbql("models", "Web sessions (old tracking)", "daily_revenue", Stage{}, model(), by("Jonas"), unused(), age(900, 880))

	revenue := Call("sum", b.f("orders.gross_amount")).Named("Revenue")
	b.mbql("metrics", "Revenue", "orders", Stage{
		Aggregation: []Expr{revenue}, Filters: []Expr{SegmentRef(1)}, Breakout: []Expr{b.f("orders.created_at").By("month")},
	}, metric(), by("Ingrid"), desc("Gross revenue of valid orders, VAT and shipping included. Owner: data team."), checked(), used(930, 0)).LegacyMetricID = 1
	b.mbql("metrics", "Net revenue", "orders", Stage{
		Aggregation: []Expr{Call("sum", b.f("orders.net_amount"))}, Filters: []Expr{SegmentRef(1)},
		Breakout: []Expr{b.f("orders.created_at").By("month")},
	}, metric(), by("Ingrid"), desc("Without VAT and shipping, valid orders."), checked(), used(410, 1))
	b.mbql("metrics", "Active customers", "orders", Stage{
		Aggregation: []Expr{Call("distinct", b.f("orders.customer_id"))}, Filters: []Expr{SegmentRef(1)},
		Breakout: []Expr{b.f("orders.created_at").By("month")},
	}, metric(), by("Emily"), desc("Customers with at least one valid order."), used(260, 2))
	b.mbql("metrics", "Average order value", "orders", Stage{
		Aggregation: []Expr{Call("/", Call("sum", b.f("orders.gross_amount")), Call("distinct", b.f("orders.order_id"))).Named("AOV")},
		Filters:     []Expr{SegmentRef(1)},
	}, metric(), by("Emily"), used(190, 4))
	b.mbql("finance", "Revenue", "daily_revenue", Stage{
		Aggregation: []Expr{Call("sum", b.f("daily_revenue.net_revenue")).Named("Revenue")},
		Breakout:    []Expr{b.f("daily_revenue.day").By("month")},
	}, metric(), by("Samuel"), desc("Net of refunds, from the nightly table."), used(150, 1))
	b.mbql("metrics", "Return rate", "order_items", Stage{
		Aggregation: []Expr{Call("/", Call("sum", b.f("order_items.returned_quantity")), Call("sum", b.f("order_items.quantity"))).Named("Return rate")},
	}, metric(), by("Fatima"), used(88, 6))
	b.mbql("metrics", "Units sold", "order_items", Stage{Aggregation: []Expr{Call("sum", b.f("order_items.quantity"))}},
		metric(), by("Emily"), unused(), newer(), age(60, 60))
}

func (b *sampleBuilder) sales() {
	b.mbql("exec", "Revenue by month", "orders", Stage{
		Aggregation: []Expr{MetricRef(b.cards["Revenue"].ID)}, Breakout: []Expr{b.f("orders.created_at").By("month")},
	}, display("line"), by("Ingrid"), desc("The agreed definition, month by month."), checked(), pinned(), used(1840, 0), slow(380))
	b.sql("exec", "Revenue this month against plan", `
with actual as (
    select date_trunc('month', o.created_at)::date as month, sum(o.net_amount) as revenue
    from analytics.orders o
    where {{snippet: valid orders}}
    group by 1
)
select b.month, sum(b.planned) as planned_revenue, max(a.revenue) as actual_revenue,
       max(a.revenue) / nullif(sum(b.planned), 0) as rate
from finance.budget b
left join actual a on a.month = b.month
where b.cost_centre = 'SALES'
group by b.month
order by b.month desc
limit 13`,
		display("bar"), by("Samuel"), desc("Net revenue against the yearly budget."), used(760, 1), slow(910))
	b.sql("", "Revenue by month (SQL)", `
SELECT date_trunc('month', created_at) AS month,
       SUM(gross_amount) AS revenue
FROM analytics.orders
WHERE status <> 'cancelled'
GROUP BY 1
ORDER BY 1`,
		display("line"), by("Jonas"), used(310, 12), age(780, 600))
	b.sql("marketing", "Monthly revenue", `
select date_trunc('month', o.created_at) as month, sum(o.gross_amount - o.shipping_amount) as revenue
from analytics.orders o
where o.status in ('paid', 'shipped', 'delivered')
  and o.is_test = false
group by 1
order by 1`,
		display("line"), by("Lena"), used(280, 3))
	b.sql("finance", "Revenue per month (accounting view)", `
select date_trunc('month', l.booked_on)::date as month, -sum(l.amount) as revenue
from finance.ledger_entries l
where l.account_code between '8000' and '8499'
group by 1
order by 1`,
		display("line"), by("Samuel"), desc("As booked, so it lags by up to ten days."), used(240, 5))
	b.sql("", "Copy of Revenue by month (SQL)", `
SELECT date_trunc('month', created_at) AS month,
       SUM(gross_amount) AS revenue
FROM analytics.orders
WHERE status <> 'cancelled'
GROUP BY 1
ORDER BY 1`,
		display("line"), by("Oliver"), used(44, 190), age(500, 500))
	b.sql("old", "Revenue by month v2 FINAL", `
SELECT date_trunc('month', created_at) AS month,
       SUM(gross_amount) AS revenue,
       COUNT(*) AS orders
FROM analytics.orders
WHERE status <> 'cancelled'
  AND created_at >= '2022-01-01'
GROUP BY 1
ORDER BY 1`,
		display("line"), by("Jonas"), used(9, 400), age(760, 740))
	b.mbql("exec", "Orders today", "orders", Stage{
		Aggregation: []Expr{Count()},
		Filters:     []Expr{SegmentRef(1), {Op: "time-interval", Args: []Expr{b.f("orders.created_at"), Text("current"), Text("day")}}},
	}, display("scalar"), by("Ingrid"), used(2210, 0), slow(95))
	b.mbql("exec", "Revenue by country", "orders", Stage{
		Aggregation: []Expr{Call("sum", b.f("orders.gross_amount"))}, Breakout: []Expr{b.f("orders.shipping_country")},
		Filters: []Expr{SegmentRef(1)}, OrderBy: []Order{{Descending: true, By: AggregationAt(0)}}, Limit: 20,
	}, display("map"), by("Priya"), desc("Valid orders by shipping country."), used(690, 1),
		settingsJSON(`{"map.type":"region","map.region":"world_countries"}`))
	b.sql("exec", "Revenue by channel", `
select o.channel, sum(o.gross_amount) as revenue, count(*) as orders
from analytics.orders o
where {{snippet: valid orders}}
  and {{created}}
group by o.channel
order by revenue desc`,
		tagged("created", "dimension", "orders.created_at"), display("bar"), by("Priya"), used(520, 1))
	b.sql("", "Top customers", `
select c.customer_id, c.first_name, c.last_name, c.email, sum(o.gross_amount) as revenue
from analytics.customers c
join analytics.orders o on o.customer_id = c.customer_id
where o.created_at > now() - interval '12 months'
group by 1, 2, 3, 4
order by revenue desc
limit 100`,
		by("Oliver"), used(150, 33), age(830, 500))
	b.sql("", "Top customers 2", `
select c.customer_id, c.first_name, c.last_name, c.email, c.phone, sum(o.gross_amount) as revenue
from analytics.customers c
join analytics.orders o on o.customer_id = c.customer_id
where o.created_at > now() - interval '12 months'
group by 1, 2, 3, 4, 5
order by revenue desc
limit 500`,
		by("Pieter"), used(21, 150), age(420, 410))
	b.over("data", "Average order value by shop", "Orders (clean)", Stage{
		Aggregation: []Expr{Call("avg", ColumnNamed("gross_amount", "type/Decimal"))},
		Breakout:    []Expr{ColumnNamed("shop", "type/Text"), ColumnNamed("order_date", "type/Date").By("month")},
	}, display("line"), by("Emily"), used(120, 4))
	b.over("exec", "First orders and repeat orders", "Orders (clean)", Stage{
		Aggregation: []Expr{Count()},
		Breakout:    []Expr{ColumnNamed("order_date", "type/Date").By("week"), ColumnNamed("is_first_order", "type/Boolean")},
	}, display("area"), by("Emily"), desc("New against returning business, weekly."), used(340, 1))
	b.sql("data", "Best sellers last 30 days", `
select product, brand, sum(units) as units, sum(line_total) as revenue, sum(margin) as margin
from {{#@Order lines with margin}} l
where l.created_at > now() - interval '30 days'
  [[and l.brand = {{brand}}]]
  [[and l.category = {{category}}]]
group by product, brand
order by units desc
limit 50`,
		tagged("brand", "text"), tagged("category", "text"), by("Emily"), used(430, 1), slow(3300))
	b.sql("data", "Slow movers", `
with sold as (
    select product_id, sum(units) as units
    from {{#@Order lines with margin}} x
    where created_at > now() - interval '90 days'
    group by product_id
), stock as (
    select v.product_id, sum(s.on_hand - s.reserved) as available
    from logistics.stock_levels s
    join analytics.product_variants v on v.variant_id = s.variant_id
    where s.day = current_date - 1
    group by v.product_id
)
select p.sku, p.name, coalesce(sold.units, 0) as units_sold, stock.available
from stock
join analytics.products p using (product_id)
left join sold using (product_id)
where stock.available > 20 and coalesce(sold.units, 0) < 3
order by stock.available desc`,
		by("Fatima"), desc("Stock without sales for a quarter."), used(95, 8), slow(7800))
	b.mbql("product", "Discounts given by month", "orders", Stage{
		Expressions: []NamedExpr{{Name: "Discount share", Expr: Call("/", b.f("orders.discount_amount"), b.f("orders.gross_amount"))}},
		Aggregation: []Expr{Call("sum", b.f("orders.discount_amount")), Call("avg", Custom("Discount share", "type/Float"))},
		Breakout:    []Expr{b.f("orders.created_at").By("month")},
	}, display("combo"), by("Aiko"), used(77, 20))
	b.mbql("", "Orders", "orders", Stage{}, by("Sofia"), used(15, 300), age(900, 900))
	b.mbql("", "Orders", "orders", Stage{Filters: []Expr{Call("=", b.f("orders.status"), Text("paid"))}}, by("Nils"), used(31, 41))
	b.mbql("", "orders by status", "orders", Stage{Aggregation: []Expr{Count()}, Breakout: []Expr{b.f("orders.status")}},
		display("pie"), by("Nils"), used(52, 10))
	b.mbql("ops", "Orders by status", "orders", Stage{Aggregation: []Expr{Count()}, Breakout: []Expr{b.f("orders.status")}},
		display("pie"), by("Mateusz"), used(140, 2))
	b.sql("israel", "הכנסות לפי חודש", `
select date_trunc('month', o.created_at) as month, sum(o.gross_amount * f.rate) as revenue
from analytics.orders o
join analytics.fx_rates f on f.day = o.created_at::date and f.currency = o.currency
where o.shipping_country = 'IL' and {{snippet: valid orders}}
group by 1 order by 1`,
		display("line"), by("נועה"), used(160, 2))
	b.sql("israel", "לקוחות חדשים 🇮🇱", `
select date_trunc('week', c.created_at) as week, count(*) as customers
from analytics.customers c where c.country = 'IL' group by 1 order by 1`,
		display("bar"), by("נועה"), used(98, 3))
	b.sql("exec", "Revenue forecast 🔮", `
with daily as (
    select day, sum(net_revenue) as revenue from analytics.daily_revenue group by day
), trend as (
    select day, revenue, avg(revenue) over (order by day rows between 27 preceding and current row) as avg_revenue
    from daily
)
select d.month, sum(t.revenue) as revenue, sum(t.avg_revenue) as forecast_revenue
from trend t join analytics.dim_date d on d.day = t.day
group by d.month order by d.month`,
		display("line"), by("Emily"), used(270, 2), slow(1500))
}

func (b *sampleBuilder) finance() {
	samuel := by("Samuel")
	b.sql("finance", "VAT by country", `
select o.shipping_country as country, date_trunc('month', i.issued_on) as month,
       sum(i.vat) as vat_amount, sum(i.total) as total_amount, max(t.rate) as rate
from finance.invoices i
join analytics.orders o on o.order_id = i.order_id
left join finance.tax_rates t on t.country = o.shipping_country
where o.shipping_country in {{snippet: eu countries}}
  [[and i.issued_on >= {{from}}]]
group by 1, 2
order by 2, 1`,
		tagged("from", "date"), samuel, desc("Basis of the one-stop-shop report."), used(120, 9), slow(2100))
	b.sql("closing", "Invoices without payment", `
select i.invoice_number, i.issued_on, i.due_on, i.total as amount, o.order_number
from finance.invoices i join analytics.orders o using (order_id)
where i.paid_on is null and i.due_on < current_date
order by i.due_on`, samuel, desc("Overdue today."), used(310, 1))
	b.sql("closing", "Payouts against orders", `
select p.provider, p.arrived_on, p.amount, p.fee, sum(o.gross_amount) as orders_amount
from finance.payouts p
left join analytics.orders o on o.payment_method = p.provider and o.paid_at::date = p.arrived_on - 2
group by 1, 2, 3, 4
order by 2 desc`, samuel, used(140, 20))
	b.sql("closing", "Refunds booked and paid", `
select date_trunc('month', r.refunded_at) as month, sum(r.amount) as refund_amount,
       (select -sum(l.amount) from finance.ledger_entries l where l.account_code = '8700') as booked_amount
from analytics.refunds r
group by 1 order by 1`, by("Hannah"), used(70, 22))
	b.sql("closing", "Credit notes over 500", `
select * from finance.ledger_entries where account_code = '8700' and amount > 500 order by booked_on desc`,
		by("Hannah"), used(36, 25))
	b.sql("finance", "Payment fees", `
select provider, sum(fee) as fee_amount, sum(fee) / sum(amount) as rate from finance.payouts group by provider`,
		samuel, display("bar"), used(84, 14))
	b.sql("finance", "Payroll by department", `
select department, month, count(*) as employees, sum(gross_salary) as salary_amount
from finance.payroll group by 1, 2 order by 2 desc`,
		by("Hannah"), desc("Confidential."), used(40, 12))
	b.sql("finance", "Payroll export", `
select employee_id, full_name, department, iban, gross_salary from finance.payroll
where month = {{snippet: last full month}}`, by("Hannah"), used(12, 28))
	b.mbql("finance", "Cost by cost centre", "finance.ledger_entries", Stage{
		Aggregation: []Expr{Call("sum", b.f("finance.ledger_entries.amount"))},
		Breakout:    []Expr{b.f("finance.ledger_entries.cost_centre"), b.f("finance.ledger_entries.booked_on").By("month")},
		Filters:     []Expr{Call("starts-with", b.f("finance.ledger_entries.account_code"), Text("4"))},
	}, display("bar"), samuel, used(160, 6))
	b.mbql("finance", "Budget", "finance.budget", Stage{}, samuel, used(22, 70))
	b.sql("finance", "Gross margin by category", `
select category, sum(margin) as margin, sum(line_total) as revenue, sum(margin) / nullif(sum(line_total), 0) as margin_rate
from {{#@Order lines with margin}} l
group by category
order by margin desc`, display("bar"), samuel, used(210, 4), slow(3100))
	b.sql("finance", "Gross margin by category (old)", `
select k.name as category, sum(i.line_total - p.cost_price * i.quantity) as margin
from analytics.order_items i, analytics.products p, analytics.categories k
where i.product_id = p.product_id and p.category_id = k.category_id
group by k.name`, display("bar"), by("Jonas"), used(8, 390), age(900, 890))
	b.sqlOn(b.replica, "finance", "Gift card liability", `
select date_format(expires_on, '%Y-%m-01') as month, sum(balance) as balance_amount from gift_cards group by 1`,
		samuel, unused(), age(220, 220))
	b.sql("finance", "Subscription MRR", `
select date_trunc('month', d.day) as month, sum(s.monthly_fee) as mrr_amount
from analytics.dim_date d
join analytics.subscriptions s on s.started_at <= d.day and (s.cancelled_at is null or s.cancelled_at > d.day)
where d.day = d.month
group by 1 order by 1`, display("line"), samuel, desc("Monthly fees of running rental plans."), used(190, 2))
	b.sql("finance", "MRR", `
select date_trunc('month', started_at) as month, sum(monthly_fee) as mrr_amount
from analytics.subscriptions where status = 'active' group by 1 order by 1`,
		display("line"), by("Oliver"), used(34, 130), age(640, 640))
}
