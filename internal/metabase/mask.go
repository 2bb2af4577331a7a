package metabase

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/secret"
)

// masker replaces literals by keyed hashes: equal literals stay equal within
// one connection, and nobody without the key can test a guess.
type masker struct{ key secret.Value }

func (m *masker) sum(kind byte, text string) [sha256.Size]byte {
	h := hmac.New(sha256.New, []byte(m.key.Expose()))
	h.Write([]byte{kind})
	h.Write([]byte(text))
	return [sha256.Size]byte(h.Sum(nil))
}

// text returns the hash of a text.
func (m *masker) text(s string) string {
	sum := m.sum('s', s)
	return "h_" + hex.EncodeToString(sum[:8])
}

// number returns a number of fifteen digits that stands for another.
func (m *masker) number(s string) number {
	sum := m.sum('n', s)
	return number(fmt.Sprintf("9%014d", binary.BigEndian.Uint64(sum[:8])%100_000_000_000_000))
}

// operators is the vocabulary of MBQL (API reference §7.4): with masking on, the
// first text of a nested list is an operator only if it stands here.
var operators = wordSet(`and or not = != < > <= >= in not-in between inside is-null not-null is-empty not-empty
contains does-not-contain starts-with ends-with time-interval relative-time-interval during segment
relative-datetime interval absolute-datetime now today
count cum-count sum cum-sum avg min max distinct stddev var median percentile share count-where sum-where
distinct-where metric measure offset + - * / abs ceil floor round sqrt exp log power
concat substring replace split-part trim ltrim rtrim upper lower length regex-match-first collate host domain
subdomain path text integer float date datetime datetime-add datetime-subtract datetime-diff convert-timezone
get-year get-quarter get-month get-week get-day get-day-of-week get-hour get-minute get-second temporal-extract
day-name month-name quarter-name case if coalesce value field field-id fk-> joined-field datetime-field
field-literal binning-strategy expression aggregation template-tag dimension variable text-tag asc desc
aggregation-options named`)

// units are texts that are structure wherever they stand as a literal.
var units = wordSet(`millisecond second minute hour day week month quarter year minute-of-hour hour-of-day day-of-week
day-of-month day-of-year week-of-year month-of-year quarter-of-year year-of-era default current last next iso us
instance milliseconds seconds minutes hours days weeks months quarters years epoch dow doy isodow isoyear decade
century microsecond microseconds utc left-join right-join inner-join full-join all none ascending descending`)

func wordSet(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// structuralText reports whether a text literal carries no data: units, date
// formats, and wildcards alone.
func structuralText(s string) bool {
	if units[strings.ToLower(s)] || strings.Trim(s, "%_ ,.;:|/-") == "" {
		return true
	}
	return isDateFormat(s)
}

// isDateFormat recognises YYYY-MM-DD, HH24:MI:SS, %Y-%m and the like.
func isDateFormat(s string) bool {
	if len(s) > 40 {
		return false
	}
	rest := s
	for _, part := range []string{
		"YYYY", "yyyy", "IYYY", "YY", "yy", "MMMM", "MMM", "Mon", "MON", "MM", "DDDD", "DDD", "DD", "dd", "DY", "Dy",
		"HH24", "HH12", "HH", "hh", "MI", "mm", "SSS", "SS", "ss", "MS", "US", "AM", "PM", "IW", "WW", "TZ",
		"%Y", "%y", "%m", "%d", "%H", "%I", "%M", "%i", "%S", "%s", "%f", "%p", "%b", "%B", "%a", "%A", "%j", "%e", "%W", "%w", "%U", "%T", "%D", "%F", "%R", "%z", "%Z",
	} {
		rest = strings.ReplaceAll(rest, part, "\x01")
	}
	return strings.Contains(rest, "\x01") && strings.Trim(rest, "\x01 -/:.,TZQ\"") == ""
}
