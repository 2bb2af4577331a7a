package support

import (
	"bufio"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scrubber replaces what names people, customers and their machines by hashes
// that are the same within one bundle and in no other.
type Scrubber struct {
	key   []byte
	names *regexp.Regexp // nil without names
}

// NewScrubber returns a scrubber that knows these names as well as what every
// address looks like.
func NewScrubber(names []string) (*Scrubber, error) {
	s := &Scrubber{key: make([]byte, 16)}
	if _, err := rand.Read(s.key); err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	known := slices.Clone(names)
	for _, n := range names {
		if _, rest, ok := strings.Cut(n, "://"); ok {
			host, _, _ := strings.Cut(rest, "/")
			known = append(known, host)
		}
	}
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) }) // the longest first
	var either []string
	for _, n := range slices.Compact(known) {
		if len(n) >= 3 {
			either = append(either, regexp.QuoteMeta(n))
		}
	}
	if len(either) > 0 {
		s.names = regexp.MustCompile(`(?i)` + strings.Join(either, "|"))
	}
	return s, nil
}

func (s *Scrubber) hash(kind, text string) string {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(text))
	return "#" + kind + "-" + hex.EncodeToString(mac.Sum(nil)[:4])
}

var (
	looksURL    = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]+`)
	looksMail   = regexp.MustCompile(`[^\s"'<>@]+@[^\s"'<>@]+\.[^\s"'<>@]+`)
	looksHost   = regexp.MustCompile(`(?i)\b(?:[a-z0-9-]+\.)+[a-z]{2,}(?::\d+)?\b`)
	looksIP     = regexp.MustCompile(`\b\d{1,3}(?:\.\d{1,3}){3}\b|\[[0-9a-fA-F:]+\]`)
	looksSecret = regexp.MustCompile(`[A-Za-z0-9_+/=-]{32,}`)
	looksPath   = regexp.MustCompile(`(?:/[^\s/"':,]+){2,}/?`)
	looksQuoted = regexp.MustCompile(`"[^"\n]*"|'[^'\n]*'|“[^”\n]*”`)
)

// Text scrubs a text for people: known names, addresses, paths, quotations and
// whatever is long and random.
func (s *Scrubber) Text(text string) string {
	text = looksQuoted.ReplaceAllStringFunc(text, func(m string) string { return s.keep("text", m) })
	text = looksURL.ReplaceAllStringFunc(text, func(m string) string { return s.keep("url", m) })
	text = looksMail.ReplaceAllStringFunc(text, func(m string) string { return s.keep("mail", m) })
	if s.names != nil {
		text = s.names.ReplaceAllStringFunc(text, func(m string) string { return s.hash("name", strings.ToLower(m)) })
	}
	text = looksPath.ReplaceAllStringFunc(text, func(m string) string { return s.keep("path", m) })
	text = looksHost.ReplaceAllStringFunc(text, func(m string) string { return s.keep("host", m) })
	text = looksIP.ReplaceAllStringFunc(text, func(m string) string {
		if ip, err := netip.ParseAddr(strings.Trim(m, "[]")); err == nil && (ip.IsLoopback() || ip.IsUnspecified()) {
			return m
		}
		return s.keep("ip", m)
	})
	return looksSecret.ReplaceAllStringFunc(text, func(m string) string { return s.keep("long", m) })
}

// keep hashes a text unless it is a hash already.
func (s *Scrubber) keep(kind, text string) string {
	if strings.Contains(text, "#") {
		return text
	}
	return s.hash(kind, text)
}

// plain values say nothing about anybody: numbers, truths, times, words of ours.
var plainWord = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,23}$`)

// choices are the words that settings choose among. Any other word may be the
// name of a host, a company or a person.
var choices = []string{
	"auto", "yes", "no", "on", "off", "none", "all", "never", "always", "claims", "environment",
	"debug", "info", "warn", "warning", "error", "text", "json", "one", "many", "web", "worker",
	"implicit", "starttls", "none-loopback", "keep", "hash", "file", "syslog", "mail", "webhook",
	"owner", "admin", "editor", "viewer", "anthropic", "openai",
}

// chosen reports whether a value is made of choices alone.
func chosen(value string) bool {
	for part := range strings.SplitSeq(value, ",") {
		if !slices.Contains(choices, strings.TrimSpace(part)) {
			return false
		}
	}
	return true
}

// Value shows a setting's value when it can only be a choice or a number, else
// its hash and length.
func (s *Scrubber) Value(value string) string {
	if shown(value) {
		return value
	}
	return fmt.Sprintf("set (%s, %d characters)", s.hash("value", value), len(value))
}

func shown(value string) bool {
	if value == "" || harmless(value) || chosen(value) {
		return true
	}
	ip, err := netip.ParseAddrPort(value)
	return err == nil && (ip.Addr().IsLoopback() || ip.Addr().IsUnspecified())
}

func harmless(value string) bool {
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		return true
	}
	if _, err := strconv.ParseBool(value); err == nil {
		return true
	}
	if _, err := time.ParseDuration(value); err == nil {
		return true
	}
	_, err := time.Parse(time.RFC3339Nano, value)
	return err == nil
}

// logKeys are attributes whose values are words of ours.
var logKeys = []string{"level", "kind", "outcome", "state", "engine", "purpose", "table", "code", "status", "method", "signal", "what"}

// otherKeys are attributes of the program's log whose values are not.
var otherKeys = []string{
	"time", "msg", "error", "detail", "org", "job", "attempt", "duration", "rows", "scan", "connection", "deletion", "organizations", "accounts",
	"connections", "keys", "key_destroyed", "request", "route", "path", "bytes", "requests", "id", "user", "address", "host", "sql", "panic", "trace",
}

// Log scrubs the last lines of a log in either of our formats: of each line, the
// time, the level, the message (a constant of the program) and the attributes
// that can only be words or numbers of ours. What is no line of ours is left
// out.
func (s *Scrubber) Log(from io.Reader, most int) ([]string, error) {
	lines := make([]string, 0, most)
	scanner := bufio.NewScanner(from)
	scanner.Buffer(make([]byte, 64<<10), 4<<20)
	for scanner.Scan() {
		if len(lines) == most {
			lines = slices.Delete(lines, 0, 1)
		}
		lines = append(lines, s.line(scanner.Text()))
	}
	if err := scanner.Err(); err != nil {
		return nil, fmt.Errorf("read the log: %w", err)
	}
	return lines, nil
}

func (s *Scrubber) line(text string) string {
	pairs, ok := parseLine(text)
	if !ok {
		return fmt.Sprintf("(a line that is not of this program, %d bytes)", len(text))
	}
	var b strings.Builder
	for i, p := range pairs {
		if i > 0 {
			b.WriteByte(' ')
		}
		value := p.value
		if !slices.Contains(logKeys, p.key) && !slices.Contains(otherKeys, p.key) {
			p.key = s.hash("key", p.key)
		}
		switch {
		case p.key == "msg":
			value = strconv.Quote(s.Text(value))
		case harmless(value), slices.Contains(logKeys, p.key) && plainWord.MatchString(strings.ToLower(value)):
		default:
			value = s.hash("value", value)
		}
		b.WriteString(p.key + "=" + value)
	}
	return b.String()
}

type pair struct{ key, value string }

var keyName = regexp.MustCompile(`^[a-z][a-z0-9_.]{0,31}$`)

// parseLine reads a line of slog's text or JSON handler.
func parseLine(text string) ([]pair, bool) {
	if strings.HasPrefix(text, "{") {
		return parseJSON(text)
	}
	var list []pair
	for text != "" {
		key, rest, ok := strings.Cut(text, "=")
		if !ok || !keyName.MatchString(key) {
			return nil, false
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			quoted, err := strconv.QuotedPrefix(rest)
			if err != nil {
				return nil, false
			}
			if value, err = strconv.Unquote(quoted); err != nil {
				return nil, false
			}
			text = strings.TrimPrefix(rest[len(quoted):], " ")
		} else {
			value, text, _ = strings.Cut(rest, " ")
		}
		list = append(list, pair{key, value})
	}
	return list, len(list) >= 3 && list[0].key == "time"
}

func parseJSON(text string) ([]pair, bool) {
	var all map[string]any
	if json.Unmarshal([]byte(text), &all) != nil || all["time"] == nil || all["msg"] == nil {
		return nil, false
	}
	var list []pair
	for _, key := range []string{"time", "level", "msg"} {
		list = append(list, pair{key, fmt.Sprint(all[key])})
		delete(all, key)
	}
	keys := make([]string, 0, len(all))
	for key := range all {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		if !keyName.MatchString(key) {
			return nil, false
		}
		list = append(list, pair{key, fmt.Sprint(all[key])})
	}
	return list, true
}
