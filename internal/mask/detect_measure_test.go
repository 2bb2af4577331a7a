package mask_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/mask"
)

// maker makes personal data that is valid by form and check digit, each in the
// spellings people use, independently of the detectors' code.
type maker struct{ r *rand.Rand }

func (m maker) digits(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('0' + m.r.IntN(10))
	}
	return string(b)
}

func (m maker) of(list ...string) string { return list[m.r.IntN(len(list))] }

func (m maker) chars(set string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = set[m.r.IntN(len(set))]
	}
	return string(b)
}

const (
	lowers = "abcdefghijklmnopqrstuvwxyz"
	base62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	hexes  = "0123456789abcdef"
)

func (m maker) luhn(prefix string, n int) string {
	d := prefix + m.digits(n-1-len(prefix))
	for c := '0'; c <= '9'; c++ {
		sum := 0
		full := d + string(c)
		for i := range full {
			v := int(full[len(full)-1-i] - '0')
			if i%2 == 1 {
				v = v*2/10 + v*2%10
			}
			sum += v
		}
		if sum%10 == 0 {
			return full
		}
	}
	return ""
}

func (m maker) card() string {
	n := m.luhn(m.of("4", "51", "53", "55", "2223"), 16)
	return m.of(n, n[:4]+" "+n[4:8]+" "+n[8:12]+" "+n[12:], n[:4]+"-"+n[4:8]+"-"+n[8:12]+"-"+n[12:], m.luhn(m.of("34", "37"), 15))
}

func (m maker) iban() string {
	country, body := "DE", m.digits(18)
	switch m.r.IntN(4) {
	case 0:
		country, body = "GB", m.of("NWBK", "BARC", "MIDL")+m.digits(14)
	case 1:
		country, body = "NL", m.of("ABNA", "INGB")+m.digits(10)
	case 2:
		country, body = "FR", m.digits(23)
	}
	rest := 0
	for _, c := range body + country + "00" {
		v := int(c - '0')
		if c >= 'A' {
			rest = (rest*100 + int(c-'A') + 10) % 97
			continue
		}
		rest = (rest*10 + v) % 97
	}
	s := fmt.Sprintf("%s%02d%s", country, 98-rest, body)
	if m.r.IntN(2) == 0 {
		return s
	}
	var parts []string
	for i := 0; i < len(s); i += 4 {
		parts = append(parts, s[i:min(i+4, len(s))])
	}
	return strings.Join(parts, " ")
}

func (m maker) nationalID() string {
	switch m.r.IntN(8) {
	case 0: // United States
		return fmt.Sprintf("%03d-%02d-%04d", 1+m.r.IntN(600), 1+m.r.IntN(99), 1+m.r.IntN(9999))
	case 1: // United Kingdom
		return m.of("AB", "CE", "JG", "SK") + m.of("", " ") + m.digits(6) + m.of("A", "B", "C", "D")
	case 2: // Spain
		n := 10_000_000 + m.r.IntN(89_999_999)
		return fmt.Sprintf("%d%c", n, "TRWAGMYFPDXBNJZSQVHLCKE"[n%23])
	case 3: // Brazil
		d := m.digits(9)
		for n := 9; n < 11; n++ {
			sum := 0
			for i := range n {
				sum += int(d[i]-'0') * (n + 1 - i)
			}
			d += fmt.Sprint(sum * 10 % 11 % 10)
		}
		return m.of(d[:3]+"."+d[3:6]+"."+d[6:9]+"-"+d[9:], d)
	case 4: // Poland
		d := fmt.Sprintf("%02d%02d%02d", m.r.IntN(100), 1+m.r.IntN(12), 1+m.r.IntN(28)) + m.digits(4)
		sum := 0
		for i, w := range []int{1, 3, 7, 9, 1, 3, 7, 9, 1, 3} {
			sum += int(d[i]-'0') * w
		}
		return d + fmt.Sprint((10-sum%10)%10)
	case 5: // France
		n := fmt.Sprintf("%d%02d%02d%02d%03d%03d", 1+m.r.IntN(2), m.r.IntN(100), 1+m.r.IntN(12), 1+m.r.IntN(95), 1+m.r.IntN(900), 1+m.r.IntN(900))
		v := 0
		for _, c := range n {
			v = (v*10 + int(c-'0')) % 97
		}
		return n + fmt.Sprintf("%02d", 97-v)
	case 6: // Sweden
		d := fmt.Sprintf("%02d%02d%02d", m.r.IntN(100), 1+m.r.IntN(12), 1+m.r.IntN(28))
		return d + "-" + m.luhn(d, 10)[6:]
	default: // Canada
		d := m.luhn(m.of("1", "4", "5", "6"), 9)
		return d[:3] + m.of(" ", "-") + d[3:6] + " " + d[6:]
	}
}

func (m maker) phone() string {
	switch m.r.IntN(6) {
	case 0:
		return fmt.Sprintf("+1 %d-%d-%s", 201+m.r.IntN(700), 200+m.r.IntN(700), m.digits(4))
	case 1:
		return fmt.Sprintf("(%d) %d-%s", 201+m.r.IntN(700), 200+m.r.IntN(700), m.digits(4))
	case 2:
		return "+49 " + m.of("30", "89", "171", "40") + " " + fmt.Sprint(1+m.r.IntN(9)) + m.digits(6)
	case 3:
		return "+44 20 7" + m.digits(3) + " " + m.digits(4)
	case 4:
		return "0033 6 " + m.digits(2) + " " + m.digits(2) + " " + m.digits(2) + " " + m.digits(2)
	default:
		return "+" + m.of("91", "81", "55", "61") + fmt.Sprint(1+m.r.IntN(9)) + m.digits(9)
	}
}

func (m maker) ip() string {
	if m.r.IntN(3) == 0 {
		return fmt.Sprintf("2001:db8:%x::%x", 1+m.r.IntN(65000), 1+m.r.IntN(65000))
	}
	return fmt.Sprintf("%d.%d.%d.%d", 1+m.r.IntN(222), m.r.IntN(256), m.r.IntN(256), 1+m.r.IntN(254))
}

func (m maker) key() string {
	switch m.r.IntN(9) {
	case 0:
		return "AKIA" + m.chars("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)
	case 1:
		return m.of("ghp_", "gho_", "ghs_") + m.chars(base62, 36)
	case 2:
		return "xoxb-" + m.digits(12) + "-" + m.digits(12) + "-" + m.chars(base62, 24)
	case 3:
		return "sk_live_" + m.chars(base62, 24)
	case 4:
		return "eyJ" + m.chars(base62, 30) + ".eyJ" + m.chars(base62, 60) + "." + m.chars(base62, 43)
	case 5:
		return "mb_" + m.chars(base62, 43) + "="
	case 6:
		return "sk-ant-api03-" + m.chars(base62, 60)
	case 7:
		return "sk-proj-" + m.chars(base62, 48)
	default:
		return m.chars(base62, 32) // no known form
	}
}

func (m maker) email() string {
	name := m.of("jane", "müller", "o'brien", "li", "anna-maria", "j") + m.of(".", "_", "", "+") + m.chars(lowers, 5)
	return name + "@" + m.chars(lowers, 6) + m.of(".com", ".co.uk", ".example", ".de", ".museum")
}

func (m maker) address() string {
	switch m.r.IntN(3) {
	case 0:
		return fmt.Sprintf("%d %s %s", 1+m.r.IntN(899), m.of("Oak", "North Main", "Elm"), m.of("Street", "Avenue", "Rd", "Lane"))
	case 1:
		return m.of("Lindenstraße", "Am Markt", "Bahnhofstr.", "Goetheplatz", "Parkweg") + fmt.Sprintf(" %d", 1+m.r.IntN(99))
	default:
		return fmt.Sprintf("%d rue %s", 1+m.r.IntN(99), m.of("Victor Hugo", "de Rivoli", "des Lilas"))
	}
}

func (m maker) birth() string {
	y, mo, d := 1940+m.r.IntN(65), 1+m.r.IntN(12), 1+m.r.IntN(28)
	return m.of("born ", "DOB: ", "date of birth ", "geb. ") + m.of(fmt.Sprintf("%d-%02d-%02d", y, mo, d), fmt.Sprintf("%02d.%02d.%d", d, mo, y), fmt.Sprintf("%d March %d", d, y))
}

// carriers are sentences that personal data stands in.
func carriers() []string {
	return []string{
		"Refund for %s (see mail)", "%s", "Customer %s complained about the export", "Dashboard asked for by %s, do not delete",
		"error: duplicate key value violates unique constraint, Key=(%s) exists", "fix: %s; then refresh", "-- TODO check %s with finance",
		"[%s] churn by week", "Which orders did %s place in 2024?", "\"%s\" is wrong in row 17",
	}
}

// ordinary are titles and descriptions as Metabase has them, without personal
// data.
func ordinary(r *rand.Rand) string {
	of := func(list ...string) string { return list[r.IntN(len(list))] }
	subject := of("Revenue", "MRR", "Orders", "Churn", "Active users", "Signups", "Refunds", "NPS", "Umsatz", "Verkäufe", "Sessions", "Tickets", "Inventory", "Latency p95", "A/B test 42", "CAC", "Top 10 customers", "orders_by_region", "fct_daily_revenue", "Email opens", "Password resets", "API key usage", "Phone calls handled", "IP allocation")
	when := of("2024", "Q3 FY2023/24", "2024-01-31", "01/02/2024 – 31/03/2024", "last 30 days", "2024-W05", "since 10:30", "2019-2024", "v2.14.3", "KW 12", "2024-01-31 10:20:30", "20240131", "12 months")
	detail := of("by country", "per plan (€1,234.50)", "#1234567", "SKU 4006381333931", "order 100000123", "±0.35 %", "LTV/CAC 3.2", "card 12 on dashboard 7", "see https://metabase.example.com/dashboard/12-sales", "build 20240131.4", "ISO 27001", "EUR 1 250 000", "3.14159265", "lat/lon missing", "table public.orders", "12.5k rows", "1:1 with finance", "RFC 9562", "id 982451653", "32-bit 4294967295", "cohort_2024_01_v3", "PO-2024-000123")
	return strings.Join([]string{subject, when, detail}[:1+r.IntN(3)], of(" ", ", ", " - ", ": "))
}

// TestDetectMeasured measures the detectors on made-up texts: how much of what
// is personal is found, by kind, and how many ordinary titles are touched.
func TestDetectMeasured(t *testing.T) {
	m := maker{rand.New(rand.NewPCG(7, 11))}
	const each = 500
	kinds := map[string]func() string{
		"address": m.address, "card": m.card, "date of birth": m.birth, "e-mail": m.email, "IBAN": m.iban,
		"IP address": m.ip, "key or token": m.key, "national id": m.nationalID, "phone": m.phone,
	}
	names := []string{"address", "card", "date of birth", "e-mail", "IBAN", "IP address", "key or token", "national id", "phone"}
	total, found := 0, 0
	c := mask.NewConversation(mask.Options{})
	for _, kind := range names {
		hits := 0
		var missed []string
		for i := range each {
			value := kinds[kind]()
			text := fmt.Sprintf(carriers()[i%len(carriers())], value)
			if strings.Contains(c.Free(text).String(), core(kind, value)) {
				missed = append(missed, text)
				continue
			}
			hits++
		}
		total, found = total+each, found+hits
		t.Logf("%-14s %d of %d (%.1f %%)", kind, hits, each, 100*float64(hits)/each)
		if os.Getenv("METALENS_VERBOSE") != "" {
			for _, text := range missed[:min(5, len(missed))] {
				t.Logf("  missed %s", text)
			}
		}
	}
	touched := 0
	const titles = 5000
	seen := []string{}
	for range titles {
		title := ordinary(m.r)
		if spans := mask.Detect(title); len(spans) > 0 {
			touched++
			if len(seen) < 20 && !slices.Contains(seen, title) {
				seen = append(seen, title)
				t.Logf("  false: %s (%s: %s)", title, title[spans[0].Start:spans[0].End], spans[0].Reason)
			}
		}
	}
	t.Logf("found %d of %d (%.1f %%); %d of %d ordinary titles touched (%.2f %%)", found, total, 100*float64(found)/float64(total), touched, titles, 100*float64(touched)/titles)
	if found*100 < total*97 || touched*100 > titles*2 {
		t.Error("the detectors got worse")
	}
}

// core is the part of a made-up value that must be gone.
func core(kind, value string) string {
	if kind == "date of birth" {
		fields := strings.Fields(value)
		return fields[len(fields)-1]
	}
	return value
}
