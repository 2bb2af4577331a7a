package ui

import (
	"fmt"
	"maps"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// Number groups an integer by thousands.
func Number[N int | int64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	var b strings.Builder
	if neg {
		b.WriteString("−")
	}
	for i, r := range s {
		if i > 0 && (len(s)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Signed is [Number] with a plus sign.
func Signed(n int) string {
	if n > 0 {
		return "+" + Number(n)
	}
	return Number(n)
}

// Count joins a number with the fitting form of a noun.
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Number(n) + " " + many
}

// Dollars writes an amount of millionths of a US dollar. Less than a cent is said
// to be so, since rounding it to nothing would be wrong.
func Dollars(micros int64) string {
	const dollar, cent = 1_000_000, 10_000
	if micros > 0 && micros < cent {
		return "under $0.01"
	}
	return "$" + strconv.FormatFloat(float64(micros)/dollar, 'f', 2, 64)
}

// Bytes writes a size with a unit.
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1000*1000:
		return scaled(float64(n)/1e3, "kB")
	case n < 1000*1000*1000:
		return scaled(float64(n)/1e6, "MB")
	}
	return scaled(float64(n)/1e9, "GB")
}

func scaled(f float64, unit string) string {
	if f < 10 {
		return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64) + " " + unit
	}
	return strconv.FormatFloat(math.Round(f), 'f', 0, 64) + " " + unit
}

// Decimal writes a number of a finding's evidence: whole numbers grouped, others
// with two decimals.
func Decimal(f float64) string {
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return Number(int64(f))
	}
	return strconv.FormatFloat(math.Round(f*100)/100, 'f', -1, 64)
}

// Duration writes a span with its two largest units.
func Duration(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < 10*time.Second:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + " s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " s"
	case d < time.Hour:
		return two(int(d/time.Minute), "min", int(d/time.Second)%60, "s")
	case d < 24*time.Hour:
		return two(int(d/time.Hour), "h", int(d/time.Minute)%60, "min")
	}
	return two(int(d/(24*time.Hour)), "d", int(d/time.Hour)%24, "h")
}

func two(a int, au string, b int, bu string) string {
	if b == 0 {
		return fmt.Sprintf("%d %s", a, au)
	}
	return fmt.Sprintf("%d %s %d %s", a, au, b, bu)
}

// Ago writes a time relative to now.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	d := now.Sub(t)
	if d < 0 {
		return ahead(-d)
	}
	switch {
	case d < 45*time.Second:
		return "just now"
	case d < 90*time.Minute:
		return Count(max(1, int((d+30*time.Second)/time.Minute)), "minute", "minutes") + " ago"
	case d < 36*time.Hour:
		return Count(int((d+30*time.Minute)/time.Hour), "hour", "hours") + " ago"
	case d < 60*24*time.Hour:
		return Count(int((d+12*time.Hour)/(24*time.Hour)), "day", "days") + " ago"
	case d < 730*24*time.Hour:
		return Count(int(d/(30*24*time.Hour)), "month", "months") + " ago"
	}
	return Count(int(d/(365*24*time.Hour)), "year", "years") + " ago"
}

func ahead(d time.Duration) string {
	switch {
	case d < 45*time.Second:
		return "now"
	case d < 90*time.Minute:
		return "in " + Count(max(1, int((d+30*time.Second)/time.Minute)), "minute", "minutes")
	case d < 36*time.Hour:
		return "in " + Count(int((d+30*time.Minute)/time.Hour), "hour", "hours")
	}
	return "in " + Count(int((d+12*time.Hour)/(24*time.Hour)), "day", "days")
}

// Absolute writes a time in full, in UTC.
func Absolute(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// Day writes a date.
func Day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// KindName is the word for one asset of a kind.
func KindName(k catalog.Kind) string {
	if k == "" {
		return "Asset"
	}
	return strings.ToUpper(string(k[:1])) + string(k[1:])
}

// KindNames is the word for several assets of a kind, in lower case.
func KindNames(k catalog.Kind) string {
	switch k {
	case catalog.KindPerson:
		return "people"
	case "":
		return "assets"
	}
	return string(k) + "s"
}

// KindCount joins a number with the word of a kind.
func KindCount(n int, k catalog.Kind) string { return Count(n, string(k), KindNames(k)) }

// SeverityName is the word of a severity.
func SeverityName(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return "Critical"
	case finding.High:
		return "High"
	case finding.Medium:
		return "Medium"
	case finding.Low:
		return "Low"
	default:
		return "Info"
	}
}

// FamilyName is the word of a check family's code.
func FamilyName(code string) string {
	switch strings.ToUpper(code) {
	case "USE", "USAGE":
		return "Usage"
	case "BRK", "BROKEN":
		return "Broken"
	case "DUP", "DUPLICATION":
		return "Duplication"
	case "MET", "METRICS":
		return "Metrics"
	case "SQL":
		return "SQL quality"
	case "PRF", "PERFORMANCE":
		return "Performance"
	case "SEC", "EXPOSURE":
		return "Exposure"
	case "DOC", "STEWARDSHIP":
		return "Stewardship"
	case "ORG", "ORGANISATION", "ORGANIZATION":
		return "Organisation"
	case "PRM", "PERMISSIONS":
		return "Permissions"
	}
	return Name(code)
}

var (
	idEscaper   = strings.NewReplacer("~", "~0", "/", "~1")
	idUnescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// EscapeID writes an asset id as one path segment that no proxy rewrites.
func EscapeID(id string) string { return url.PathEscape(idEscaper.Replace(id)) }

// UnescapeID undoes [EscapeID] on a decoded path value.
func UnescapeID(segment string) string { return idUnescaper.Replace(segment) }

// AssetPath returns the path of an asset's page below a connection's base. A
// column leads to its table.
func AssetPath(base string, r catalog.Ref) string {
	if r.Kind == catalog.KindColumn {
		return base + "/catalog/table/" + EscapeID(catalog.TableOfColumn(r.ID)) + "?tab=columns&column=" + url.QueryEscape(r.ID)
	}
	return base + "/catalog/" + url.PathEscape(string(r.Kind)) + "/" + EscapeID(r.ID)
}

// NumberName turns the name of an evidence number into words and a unit:
// "days_since_use" → "days since use".
func NumberName(name string) string { return strings.ReplaceAll(Clean(name), "_", " ") }

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Capital writes the first letter of a word large.
func Capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	if size == 0 {
		return s
	}
	return string(unicode.ToUpper(r)) + s[size:]
}
