package metabasetest

// alike adds content that says what other content says already, in other words
// or nearly: rewritten queries, drifted copies, figures of one name or of one
// meaning, and a dashboard whose figures do not count the same orders. It comes
// last, so that nothing before it moves.
func (b *sampleBuilder) alike() {
	b.sql("ops", "Order count per status", `
SELECT o.status, COUNT(*)
FROM analytics.orders AS o
GROUP BY o.status`, display("bar"), by("Pieter"), used(37, 21), age(360, 355))
	b.sql("finance", "Overdue invoices", `
SELECT inv.invoice_number, inv.issued_on, inv.due_on, inv.total AS amount, ord.order_number
FROM finance.invoices AS inv
JOIN analytics.orders AS ord USING (order_id)
WHERE inv.due_on < CURRENT_DATE
  AND inv.paid_on IS NULL
ORDER BY inv.due_on`, by("Hannah"), used(58, 7), age(270, 268))
	b.sql("crm", "Newsletter performance (Spring)", `
select c.name, count(*) as count_sent,
       count(n.opened_at)::numeric / count(*) as open_rate,
       count(n.clicked_at)::numeric / count(*) as click_rate,
       count(*) filter (where n.unsubscribed)::numeric / count(*) as unsubscribe_rate
from marketing.newsletter_sends n
join marketing.campaigns c using (campaign_id)
where n.sent_at > now() - interval '90 days'
  and c.name like 'Spring%'
group by c.name
order by count_sent desc`, by("Zoë"), used(23, 31), age(240, 238))
	b.mbql("care", "Money paid back", "refunds", Stage{Aggregation: []Expr{Call("sum", b.f("refunds.amount"))}},
		display("scalar"), by("Rafael"), used(84, 3), age(310, 300))
	b.sql("returns", "Refund volume", `select sum(r.amount) from analytics.refunds r`,
		display("scalar"), by("Fatima"), desc("All refunds since the first order."), used(112, 2), age(400, 390))

	b.sql("exec", "Gross sales this year", `
select sum(o.gross_amount)
from analytics.orders o
where o.is_test = false and o.created_at >= date_trunc('year', now())`, display("scalar"), by("Ingrid"), used(420, 0), age(150, 150))
	b.sql("exec", "Order count this year", `
select count(*)
from analytics.orders o
where o.is_test = false and o.created_at >= date_trunc('year', now())`, display("scalar"), by("Ingrid"), used(410, 0), age(150, 150))
	b.sql("exec", "Discounts this year", `
select sum(o.discount_amount)
from analytics.orders o
where o.is_test = false and o.created_at >= date_trunc('year', now())`, display("scalar"), by("Ingrid"), used(398, 0), age(150, 149))
	b.sql("exec", "Buyers this year", `
select count(distinct o.customer_id)
from analytics.orders o
where o.created_at >= date_trunc('year', now())`, display("scalar"), by("Ingrid"), used(402, 0), age(120, 118))
	b.dash("exec", "Year so far", []tile{
		show("Gross sales this year", 6, 3), show("Order count this year", 6, 3), show("Discounts this year", 6, 3), show("Buyers this year", 6, 3),
	}, about("Four numbers for the Monday call."), seen(930, 0))
	b.dash("care", "Returns for care", []tile{
		show("Money paid back", 6, 3), show("Return rate by category"), show("Return reasons"), show("Days until inspection"),
		show("Refund amount by reason"), show("Serial returners"),
	}, owner("Rafael"), seen(88, 5))
}
