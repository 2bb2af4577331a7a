package metabasetest

func (b *sampleBuilder) growth() {
	lena, marta, aiko := by("Lena"), by("Marta"), by("Aiko")
	b.sql("campaigns", "Campaign ROAS", `
with spend as (
    select campaign_id, sum(cost) as cost from marketing.ad_spend where {{day}} group by campaign_id
), earned as (
    select a.campaign_id, sum(o.gross_amount * a.weight) as revenue
    from marketing.attribution a
    join analytics.orders o on o.order_id = a.order_id
    where {{snippet: valid orders}}
    group by a.campaign_id
)
select c.name, c.channel, s.cost, e.revenue, e.revenue / nullif(s.cost, 0) as roas_rate
from marketing.campaigns c
join spend s using (campaign_id)
left join earned e using (campaign_id)
[[where c.channel = {{channel}}]]
order by revenue desc nulls last`,
		tagged("day", "dimension", "marketing.ad_spend.day"), tagged("channel", "text"), lena,
		desc("Attributed revenue per euro spent."), used(460, 1), slow(2600))
	b.sql("campaigns", "Campaign ROAS - Duplicate", `
with spend as (
    select campaign_id, sum(cost) as cost from marketing.ad_spend group by campaign_id
), earned as (
    select a.campaign_id, sum(o.gross_amount) as revenue
    from marketing.attribution a
    join analytics.orders o on o.order_id = a.order_id
    group by a.campaign_id
)
select c.name, c.channel, s.cost, e.revenue, e.revenue / s.cost as roas_rate
from marketing.campaigns c
join spend s using (campaign_id)
left join earned e using (campaign_id)
order by revenue desc`, by("Pieter"), used(17, 210), age(380, 380))
	b.mbql("campaigns", "Ad spend by channel", "marketing.ad_spend", Stage{
		Joins: []Join{{
			Alias: "Campaigns", SourceTable: b.table("marketing.campaigns").ID,
			Conditions: []Expr{Call("=", b.f("marketing.ad_spend.campaign_id"), b.f("marketing.campaigns.campaign_id").Joined("Campaigns"))},
		}},
		Aggregation: []Expr{Call("sum", b.f("marketing.ad_spend.cost"))},
		Breakout:    []Expr{b.f("marketing.ad_spend.day").By("week"), b.f("marketing.campaigns.channel").Joined("Campaigns")},
	}, display("area"), lena, desc("Weekly cost."), used(380, 1))
	b.mbql("campaigns", "Clicks by campaign", "marketing.ad_spend", Stage{
		Aggregation: []Expr{Call("sum", b.f("marketing.ad_spend.clicks")), Call("sum", b.f("marketing.ad_spend.impressions"))},
		Breakout:    []Expr{b.f("marketing.campaigns.name").Via(b.col("marketing.ad_spend.campaign_id"))},
	}, display("row"), lena, used(90, 7))
	b.sql("campaigns", "Cost per new customer", `
select date_trunc('month', s.day) as month, sum(s.cost) / nullif(count(distinct c.customer_id), 0) as cost_per_customer
from marketing.ad_spend s
left join analytics.customers c on date_trunc('month', c.first_order_at) = date_trunc('month', s.day)
group by 1 order by 1`, display("line"), lena, used(205, 4), slow(5200))
	b.sql("campaigns", "CAC", `
select date_trunc('month', s.day) as month, sum(s.cost) / count(distinct o.customer_id) as cost_per_customer
from marketing.ad_spend s
left join analytics.orders o on o.is_first_order and date_trunc('month', o.created_at) = date_trunc('month', s.day)
group by 1 order by 1`, display("line"), by("Pieter"), used(61, 88), slow(6100))
	b.sql("campaigns", "Influencer codes", `
select o.coupon_code, count(*) as orders, sum(o.gross_amount) as revenue
from analytics.orders o
where o.coupon_code in ('MAJA15', 'TRAILTOM', 'HIKEWITHZOE', 'SUMMIT10')
group by 1 order by revenue desc`, by("Zoë"), used(133, 2))
	b.sql("campaigns", "Black Friday 2022 hourly", `
select date_trunc('hour', created_at) as hour, count(*) as orders, sum(gross_amount) as revenue
from analytics.orders
where created_at between '2022-11-25' and '2022-11-28'
group by 1 order by 1`, by("Oliver"), used(3, 500), age(1090, 1089))
	b.sql("bf22", "BF22 landing page", `select * from analytics.orders_v1 where created > '2022-11-25' limit 1000`,
		by("Oliver"), unused(), age(1100, 1095), archived())
	b.sql("crm", "Newsletter performance", `
select c.name, count(*) as count_sent,
       count(n.opened_at)::numeric / count(*) as open_rate,
       count(n.clicked_at)::numeric / count(*) as click_rate,
       count(*) filter (where n.unsubscribed)::numeric / count(*) as unsubscribe_rate
from marketing.newsletter_sends n
join marketing.campaigns c using (campaign_id)
where n.sent_at > now() - interval '90 days'
group by c.name
order by count_sent desc`, marta, desc("Opens and clicks of the last quarter."), used(330, 1), slow(3700))
	b.sql("crm", "Newsletter performance v2", `
select c.name, count(*) as count_sent,
       count(n.opened_at)::numeric / count(*) as open_rate,
       count(n.clicked_at)::numeric / count(*) as click_rate,
       count(*) filter (where n.unsubscribed)::numeric / count(*) as unsubscribe_rate
from marketing.newsletter_sends n
join marketing.campaigns c using (campaign_id)
where n.sent_at > now() - interval '180 days'
group by c.name
order by count_sent desc`, marta, used(74, 16), slow(6900))
	b.sql("crm", "Customer contact list", `
select c.first_name, c.last_name, c.email, c.phone, c.country, c.city, c.last_order_at
from analytics.customers c
where c.newsletter_opt_in
  [[and c.country = {{country}}]]
order by c.last_order_at desc`, tagged("country", "text"), by("Oliver"), public("Oliver"), used(48, 120), age(700, 690),
		desc("For the agency."))
	b.sql("crm", "Win-back candidates", `
select c.customer_id, c.email, c.lifetime_value, c.last_order_at
from analytics.customers c
where c.last_order_at < now() - interval '9 months' and c.lifetime_orders >= 3
  and {{snippet: not a test customer}}`, marta, used(110, 5))
	b.over("crm", "Customers by segment", "Customers (clean)", Stage{
		Aggregation: []Expr{Count(), Call("avg", ColumnNamed("lifetime_value", "type/Decimal"))},
		Breakout:    []Expr{ColumnNamed("segment", "type/Text")},
	}, display("row"), marta, used(150, 3))
	b.over("crm", "Opt-in rate by country", "Customers (clean)", Stage{
		Aggregation: []Expr{Call("share", Call("=", ColumnNamed("newsletter_opt_in", "type/Boolean"), Truth(true)))},
		Breakout:    []Expr{ColumnNamed("country", "type/Text")},
	}, display("bar"), marta, used(64, 11))
	b.mbql("crm", "Loyalty tiers", "customers", Stage{
		Aggregation: []Expr{Count()}, Breakout: []Expr{b.f("customers.loyalty_tier")},
	}, display("pie"), by("Oliver"), used(26, 240), age(760, 750))
	b.sql("crm", "Loyalty tier revenue", `
select c.loyalty_tier, sum(o.gross_amount) as revenue
from analytics.customers c join analytics.orders o using (customer_id)
group by c.loyalty_tier`, by("Oliver"), used(19, 240), age(760, 750))
	b.mbql("crm", "VIP customers by country", "customers", Stage{
		Aggregation: []Expr{Count()}, Filters: []Expr{SegmentRef(3)}, Breakout: []Expr{b.f("customers.country")},
	}, display("bar"), by("Oliver"), used(33, 60), age(720, 700))
	b.sql("crm", "Referral funnel", `
select count(*) as count_referrals, count(r.rewarded_at) as count_rewarded,
       count(r.rewarded_at)::numeric / nullif(count(*), 0) as reward_rate
from marketing.referrals r where {{period}}`,
		tagged("period", "dimension", "marketing.referrals.rewarded_at"), display("funnel"), by("Zoë"), used(41, 18))
	b.mbql("crm", "Cohort retention", "customer_cohorts", Stage{
		Aggregation: []Expr{Call("sum", b.f("customer_cohorts.customers"))},
		Breakout:    []Expr{b.f("customer_cohorts.cohort_month").By("month"), b.f("customer_cohorts.months_since")},
	}, display("pivot"), by("Emily"), desc("Monthly cohorts by first order."), checked(), used(290, 2))
	b.sql("crm", "Birthday mailing list", `
select email, first_name, birth_date from analytics.customers
where extract(month from birth_date) = extract(month from now()) and newsletter_opt_in`,
		marta, used(55, 8))
	b.sql("marketing", "SEO positions", `
select keyword, day, position, clicks from marketing.seo_keywords where day > current_date - 28 order by clicks desc`,
		by("Zoë"), used(112, 2))
	b.sql("marketing", "Coupon abuse check", `
select o.coupon_code, c.email, count(*) as orders
from analytics.orders o join analytics.customers c using (customer_id)
where o.coupon_code is not null
group by 1, 2 having count(*) > 3 order by orders desc`, lena, used(47, 19))
	b.mbql("marketing", "Coupons in use", "marketing.coupons", Stage{
		Filters: []Expr{Call(">", b.f("marketing.coupons.valid_until"), Text("2026-01-01"))},
	}, lena, used(31, 44))
	b.sqlOn(b.events, "product", "Conversion rate by device", `
SELECT device.category AS device, COUNTIF(event_name = 'purchase') / COUNT(DISTINCT session_id) AS conversion_rate
FROM web.events
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 28 DAY)
GROUP BY device
ORDER BY conversion_rate DESC`, display("bar"), aiko, used(260, 1), slow(4800))
	b.sqlOn(b.events, "product", "Checkout funnel", `
SELECT event_name, COUNT(DISTINCT session_id) AS sessions_count
FROM web.events
WHERE event_date >= DATE_SUB(CURRENT_DATE(), INTERVAL 7 DAY)
  AND event_name IN ('view_item', 'add_to_cart', 'begin_checkout', 'purchase')
GROUP BY event_name
ORDER BY sessions_count DESC`, display("funnel"), aiko, desc("Sessions per step, last seven days."), used(410, 0), slow(5300))
	b.sqlOn(b.events, "product", "Landing pages", `
SELECT landing_page, COUNT(*) AS sessions_count, AVG(CAST(is_bounce AS INT64)) AS bounce_rate
FROM web.sessions GROUP BY landing_page ORDER BY sessions_count DESC LIMIT 200`, aiko, used(170, 4))
	b.sqlOn(b.events, "product", "Sessions by source", `
SELECT DATE(started_at) AS day, source, medium, COUNT(*) AS sessions_count
FROM web.sessions GROUP BY 1, 2, 3`, display("area"), aiko, used(220, 2))
	b.sqlOn(b.events, "product", "All events", `SELECT * FROM web.events WHERE event_date = CURRENT_DATE()`, by("Sofia"), used(5, 410), age(690, 690))
	b.sqlOn(b.events, "exp", "Experiment results", `
SELECT x.name, a.variant, COUNT(DISTINCT a.user_pseudo_id) AS customers,
       AVG(CAST(s.converted AS INT64)) AS conversion_rate
FROM web.experiments x
JOIN web.experiment_assignments a USING (experiment_id)
LEFT JOIN web.sessions s USING (user_pseudo_id)
WHERE x.experiment_id = {{experiment}}
GROUP BY 1, 2`, tagged("experiment", "text"), aiko, used(140, 5), slow(8700))
	b.sqlOn(b.events, "exp", "Checkout test: one page or three?", `
SELECT a.variant, COUNT(*) AS sessions_count, AVG(CAST(s.converted AS INT64)) AS conversion_rate
FROM web.experiment_assignments a JOIN web.sessions s USING (user_pseudo_id)
WHERE a.experiment_id = 'checkout-2024-05' GROUP BY 1`, aiko, used(22, 320), age(560, 540))
	b.sql("product", "Wishlist to order", `
select p.name, count(distinct w.customer_id) as customers, count(distinct o.customer_id) as buyers_count
from analytics.wishlists w
join analytics.products p using (product_id)
left join analytics.order_items i on i.product_id = w.product_id
left join analytics.orders o on o.order_id = i.order_id and o.customer_id = w.customer_id
group by p.name order by 2 desc limit 100`, aiko, used(66, 9), slow(11800))
	b.sql("product", "Reviews below three stars", `
select p.name, r.rating, r.title, r.body, r.created_at
from analytics.product_reviews r join analytics.products p using (product_id)
where r.rating < 3 and r.created_at > now() - interval '14 days' order by r.created_at desc`, by("Claire"), used(180, 1))
	b.mbql("product", "Average rating by brand", "product_reviews", Stage{
		Joins: []Join{
			{
				Alias: "Products", SourceTable: b.table("products").ID, Strategy: "inner-join",
				Conditions: []Expr{Call("=", b.f("product_reviews.product_id"), b.f("products.product_id").Joined("Products"))},
			},
			{
				Alias: "Brands", SourceTable: b.table("brands").ID,
				Conditions: []Expr{Call("=", b.f("products.brand_id").Joined("Products"), b.f("brands.brand_id").Joined("Brands"))},
			},
		},
		Aggregation: []Expr{Call("avg", b.f("product_reviews.rating")), Count()},
		Breakout:    []Expr{b.f("brands.name").Joined("Brands")},
	}, display("row"), aiko, used(58, 15))
	b.mbql("product", "Price bands", "products", Stage{
		Expressions: []NamedExpr{{Name: "Band", Expr: Case(ptr(Text("premium")),
			When(Call("<", b.f("products.list_price"), Num(50)), Text("entry")),
			When(Call("<", b.f("products.list_price"), Num(200)), Text("core")))}},
		Aggregation: []Expr{Count()}, Breakout: []Expr{Custom("Band", "type/Text")},
	}, display("bar"), aiko, used(37, 28))
	b.mbql("product", "List price distribution", "products", Stage{
		Aggregation: []Expr{Count()}, Breakout: []Expr{b.f("products.list_price").Binned(20)},
		Filters: []Expr{Call("=", b.f("products.is_active"), Truth(true))},
	}, display("bar"), aiko, used(18, 77))
}

func ptr(x Expr) *Expr { return &x }
