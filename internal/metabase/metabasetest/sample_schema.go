package metabasetest

import (
	"strings"
	"time"
)

// sampleWarehouse describes tables as text: a line "schema.table | description",
// then one line per column: name, type and marks.
const sampleWarehouse = `
analytics.orders | One row per order, cancelled and test orders included.
  order_id bigint pk nn
  order_number text nn idx
  customer_id bigint fk=analytics.customers.customer_id nn
  shop_id int fk=analytics.shops.shop_id
  channel text cat
  status text cat nn
  payment_method text cat
  coupon_code text
  currency text cat
  gross_amount numeric cur nn | Including VAT and shipping.
  net_amount numeric cur | Without VAT, after discounts.
  discount_amount numeric cur
  shipping_amount numeric cur
  tax_amount numeric cur
  is_test bool
  is_first_order bool
  shipping_country text country
  created_at ts created nn idx
  paid_at ts
  shipped_at ts
  cancelled_at ts
analytics.order_items | One row per order line.
  order_item_id bigint pk nn
  order_id bigint fk=analytics.orders.order_id nn idx
  product_id bigint fk=analytics.products.product_id
  variant_id bigint fk=analytics.product_variants.variant_id
  quantity int
  unit_price numeric cur
  discount_amount numeric cur
  line_total numeric cur
  returned_quantity int
analytics.customers | One row per customer account; guests have one per e-mail address.
  customer_id bigint pk nn
  email text email
  first_name text name
  last_name text name
  phone text
  birth_date date
  gender text cat
  country text country
  city text city
  postal_code text
  newsletter_opt_in bool
  segment text cat
  loyalty_tier text cat inactive
  first_order_at ts
  last_order_at ts
  lifetime_orders int
  lifetime_value numeric cur
  is_test bool
  created_at ts created
analytics.products | Catalogue, one row per product.
  product_id bigint pk nn
  sku text
  name text name
  brand_id int fk=analytics.brands.brand_id
  category_id int fk=analytics.categories.category_id
  season text cat
  list_price numeric cur
  cost_price numeric cur
  weight_grams int
  is_active bool
  launched_on date
  created_at ts created
analytics.product_variants | Sizes and colours.
  variant_id bigint pk nn
  product_id bigint fk=analytics.products.product_id
  size text cat
  colour text cat
  ean text
  stock_on_hand int
analytics.brands
  brand_id int pk nn
  name text name
  is_own_brand bool
analytics.categories | Category tree.
  category_id int pk nn
  parent_id int fk=analytics.categories.category_id
  name text name
  path text
analytics.shops | Web shops and stores.
  shop_id int pk nn
  name text name
  country text country
  kind text cat
analytics.refunds | Money given back, per order line.
  refund_id bigint pk nn
  order_item_id bigint fk=analytics.order_items.order_item_id
  order_id bigint fk=analytics.orders.order_id
  reason text cat
  amount numeric cur
  refunded_at ts created
analytics.subscriptions | Gear rental plans.
  subscription_id bigint pk nn
  customer_id bigint fk=analytics.customers.customer_id
  plan text cat
  status text cat
  monthly_fee numeric cur
  started_at ts
  cancelled_at ts
  cancel_reason text
analytics.daily_revenue | Built every night from orders and refunds.
  day date pk nn
  shop_id int fk=analytics.shops.shop_id
  orders int
  gross_revenue numeric cur
  net_revenue numeric cur
  refunds numeric cur
analytics.customer_cohorts | Monthly cohorts by first order.
  cohort_month date nn
  months_since int
  customers int
  revenue numeric cur
analytics.dim_date | Calendar.
  day date pk nn
  week int
  month date
  quarter text
  year int
  is_holiday bool
analytics.fx_rates | Daily reference rates to EUR.
  day date nn
  currency text cat
  rate numeric
analytics.orders_v1 | Old order table, replaced in 2024. inactive
  id bigint pk nn
  total numeric cur
  created timestamp
analytics.product_reviews
  review_id bigint pk nn
  product_id bigint fk=analytics.products.product_id
  customer_id bigint fk=analytics.customers.customer_id
  rating int
  title text
  body text
  created_at ts created
analytics.wishlists
  wishlist_id bigint pk nn
  customer_id bigint fk=analytics.customers.customer_id
  product_id bigint fk=analytics.products.product_id
  added_at ts
staging.stg_orders | Straight from the shop, renamed. hidden
  id bigint pk nn
  number text
  customer bigint
  state text
  total numeric
  created_at ts
staging.stg_customers | hidden
  id bigint pk nn
  email text email
  name text name
  created_at ts
staging.stg_payments | hidden
  id bigint pk nn
  order_id bigint
  provider text
  amount numeric
  captured_at ts
staging.stg_refunds | hidden
  id bigint pk nn
  payment_id bigint
  amount numeric
staging.tmp_jonas_2023 | Scratch table nobody dropped.
  a text
  b text
  c numeric
finance.ledger_entries | Booked entries from the accounting system.
  entry_id bigint pk nn
  account_code text idx
  cost_centre text cat
  amount numeric cur
  currency text cat
  booked_on date idx
  document_number text
  description text
finance.invoices
  invoice_id bigint pk nn
  order_id bigint fk=analytics.orders.order_id
  invoice_number text
  issued_on date
  due_on date
  paid_on date
  total numeric cur
  vat numeric cur
finance.payouts | Transfers from payment providers.
  payout_id bigint pk nn
  provider text cat
  amount numeric cur
  fee numeric cur
  arrived_on date
finance.budget | Plan per cost centre and month.
  month date nn
  cost_centre text cat
  planned numeric cur
finance.payroll | Monthly salaries. Restricted.
  employee_id bigint nn
  full_name text name
  department text cat
  iban text
  gross_salary numeric cur
  month date
finance.tax_rates
  country text country
  rate numeric
  valid_from date
marketing.campaigns
  campaign_id bigint pk nn
  name text name
  channel text cat
  started_on date
  ended_on date
  budget numeric cur
marketing.ad_spend | Daily cost per campaign from the ad platforms.
  day date nn idx
  campaign_id bigint fk=marketing.campaigns.campaign_id
  impressions bigint
  clicks bigint
  cost numeric cur
marketing.newsletter_sends
  send_id bigint pk nn
  campaign_id bigint fk=marketing.campaigns.campaign_id
  customer_id bigint fk=analytics.customers.customer_id
  sent_at ts
  opened_at ts
  clicked_at ts
  unsubscribed bool
marketing.coupons
  code text pk nn
  kind text cat
  value numeric
  valid_until date
  uses int
marketing.attribution | Last-touch attribution per order.
  order_id bigint fk=analytics.orders.order_id
  campaign_id bigint fk=marketing.campaigns.campaign_id
  touch text cat
  weight numeric
marketing.referrals
  referral_id bigint pk nn
  referrer_id bigint fk=analytics.customers.customer_id
  referred_id bigint fk=analytics.customers.customer_id
  rewarded_at ts
marketing.seo_keywords
  keyword text
  day date
  position numeric
  clicks int
support.tickets
  ticket_id bigint pk nn
  customer_id bigint fk=analytics.customers.customer_id
  order_id bigint fk=analytics.orders.order_id
  channel text cat
  topic text cat
  priority text cat
  status text cat
  agent_id int fk=support.agents.agent_id
  opened_at ts created idx
  first_reply_at ts
  solved_at ts
  satisfaction int
support.ticket_messages
  message_id bigint pk nn
  ticket_id bigint fk=support.tickets.ticket_id
  author text cat
  body text
  sent_at ts
support.agents
  agent_id int pk nn
  name text name
  email text email
  team text cat
support.macros
  macro_id int pk nn
  title text
  body text
logistics.shipments
  shipment_id bigint pk nn
  order_id bigint fk=analytics.orders.order_id
  carrier_id int fk=logistics.carriers.carrier_id
  warehouse_id int fk=logistics.warehouses.warehouse_id
  tracking_number text
  handed_over_at ts
  delivered_at ts
  promised_on date
  cost numeric cur
logistics.carriers
  carrier_id int pk nn
  name text name
logistics.warehouses
  warehouse_id int pk nn
  name text name
  country text country
logistics.returns | Parcels coming back.
  return_id bigint pk nn
  order_id bigint fk=analytics.orders.order_id
  reason text cat
  condition text cat
  received_at ts created
  inspected_at ts
logistics.stock_levels | Nightly snapshot per variant and warehouse.
  day date nn idx
  variant_id bigint fk=analytics.product_variants.variant_id
  warehouse_id int fk=logistics.warehouses.warehouse_id
  on_hand int
  reserved int
logistics.purchase_orders
  po_id bigint pk nn
  supplier text
  ordered_on date
  expected_on date
  arrived_on date
  value numeric cur
raw.shop_webhooks | hidden
  id bigint pk nn
  payload json
  received_at ts
`

// sampleReplica is the shop's own database.
const sampleReplica = `
.users | Shop accounts.
  id bigint pk nn
  email text email
  encrypted_password text sensitive
  reset_password_token text sensitive
  sign_in_count int
  current_sign_in_ip text
  created_at timestamp created
.carts
  id bigint pk nn
  user_id bigint fk=.users.id
  state text cat
  total numeric
  created_at timestamp created
  updated_at timestamp
.cart_items
  id bigint pk nn
  cart_id bigint fk=.carts.id
  product_id bigint
  quantity int
.addresses
  id bigint pk nn
  user_id bigint fk=.users.id
  street text
  zip text
  city text city
  country text country
.gift_cards
  id bigint pk nn
  code text sensitive
  balance numeric
  expires_on date
.product_translations
  id bigint pk nn
  product_id bigint
  locale text cat
  title text
.feature_flags
  id bigint pk nn
  name text
  enabled bool
`

// sampleEvents is the web analytics project.
const sampleEvents = `
web.events | Every page view and click; partitioned by event_date.
  event_date date part nn
  event_name text cat
  user_pseudo_id text
  session_id text
  page_location text
  device json
  device.category text path=device.category
  device.browser text path=device.browser
  country text country
  revenue numeric
web.sessions
  session_id text pk nn
  user_pseudo_id text
  started_at ts
  source text cat
  medium text cat
  landing_page text
  is_bounce bool
  converted bool
web.experiments
  experiment_id text pk nn
  name text
  started_on date
  ended_on date
web.experiment_assignments
  experiment_id text fk=web.experiments.experiment_id
  user_pseudo_id text
  variant text cat
  assigned_at ts
`

var sampleTypes = map[string][2]string{
	"bigint":    {"type/BigInteger", "int8"},
	"int":       {"type/Integer", "int4"},
	"numeric":   {"type/Decimal", "numeric"},
	"text":      {"type/Text", "text"},
	"bool":      {"type/Boolean", "bool"},
	"date":      {"type/Date", "date"},
	"ts":        {"type/DateTimeWithLocalTZ", "timestamptz"},
	"timestamp": {"type/DateTime", "timestamp"},
	"json":      {"type/JSON", "jsonb"},
}

var sampleMarks = map[string]string{
	"pk": "type/PK", "fk": "type/FK", "cat": "type/Category", "cur": "type/Currency", "email": "type/Email",
	"name": "type/Name", "city": "type/City", "country": "type/Country", "created": "type/CreationTimestamp",
}

// describe adds the tables of a description and connects their keys.
func (b *sampleBuilder) describe(database int, text string, created time.Time) {
	type key struct{ from, to string }
	var keys []key
	var t *Table
	flush := func() {
		if t != nil {
			b.w.AddTable(t)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		head, note, _ := strings.Cut(line, "|")
		words := strings.Fields(head)
		note = strings.TrimSpace(note)
		if !strings.HasPrefix(line, " ") {
			flush()
			schema, name, _ := strings.Cut(words[0], ".")
			t = &Table{DatabaseID: database, Schema: schema, Name: name, CreatedAt: created, Rows: 1000}
			switch {
			case strings.HasSuffix(note, "inactive"):
				t.Inactive, note = true, strings.TrimSuffix(note, "inactive")
			case strings.HasSuffix(note, "hidden"):
				t.Visibility, note = "hidden", strings.TrimSuffix(note, "hidden")
			}
			t.Description = strings.TrimSpace(note)
			continue
		}
		kind := sampleTypes[words[1]]
		f := &Field{Name: words[0], BaseType: kind[0], DatabaseType: kind[1], Description: note}
		for _, mark := range words[2:] {
			name, value, _ := strings.Cut(mark, "=")
			if semantic := sampleMarks[name]; semantic != "" {
				f.SemanticType = semantic
			}
			switch name {
			case "pk":
				f.PrimaryKey = true
			case "fk":
				keys = append(keys, key{t.Schema + "." + t.Name + "." + f.Name, value})
			case "nn":
				f.NotNull, f.Required = true, true
			case "idx":
				f.Indexed = true
			case "part":
				f.Partitioned = true
			case "inactive":
				f.Inactive = true
			case "sensitive":
				f.Visibility = "sensitive"
			case "path":
				f.NFCPath = strings.Split(value, ".")
			}
		}
		t.Fields = append(t.Fields, f)
	}
	flush()
	for _, k := range keys {
		b.col(k.from).FKTargetID = b.col(k.to).ID
	}
}
