package ui

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

func noticeIcon(kind string) string {
	switch kind {
	case "bad", "warn":
		return "high"
	case "good":
		return "check"
	}
	return "info"
}

func noticeRole(kind string) string {
	if kind == "bad" {
		return "alert"
	}
	return "note"
}

func stateIcon(state string) string {
	switch state {
	case "queued", "waiting":
		return "clock"
	case "running":
		return "scans"
	case "succeeded", "done", "resolved":
		return "check"
	case "failed":
		return "critical"
	case "partial", "open":
		return "high"
	case "cancelled", "ignored", "skipped":
		return "mute"
	}
	return "info"
}

func clamp(v int) int { return max(0, min(100, v)) }

// meterClass grades a score. The number beside the bar says the same.
func meterClass(v int) string {
	switch {
	case v < 50:
		return "meter-bad"
	case v < 75:
		return "meter-fair"
	}
	return "meter-good"
}

// InputView is a text control.
type InputView struct {
	ID, Name, Type, Value     string
	Placeholder, Autocomplete string
	Mode                      string
	MaxLength                 int
	Required, Focus           bool
	Help                      bool   // a help text stands below
	Problem                   string // what is wrong with the value
}

func (i InputView) kind() string {
	if i.Type == "" {
		return "text"
	}
	return i.Type
}

func (i InputView) describedBy() string {
	var ids []string
	if i.Help {
		ids = append(ids, i.ID+"-help")
	}
	if i.Problem != "" {
		ids = append(ids, i.ID+"-error")
	}
	return strings.Join(ids, " ")
}

// PagerView is where a page stands in a list.
type PagerView struct {
	From, To, Total int // From counts from 1
	Noun, Nouns     string
	Previous, Next  string // addresses; empty at the ends
}

// Text says where the page stands.
func (p PagerView) Text() string {
	if p.From == 1 && p.To == p.Total {
		return Count(p.Total, p.Noun, p.Nouns)
	}
	return fmt.Sprintf("%s to %s of %s", Number(p.From), Number(p.To), Count(p.Total, p.Noun, p.Nouns))
}

// PerPage is how many rows a list shows at once.
const PerPage = 50

// Pages returns the offset that a query asks for and the pager for it; path and
// query make the addresses of the neighbours. Call it with the total once that
// is known; the offset does not depend on it.
func Pages(path string, query url.Values, shown, total int, noun, nouns string) PagerView {
	offset := Offset(query)
	p := PagerView{From: offset + 1, To: offset + shown, Total: total, Noun: noun, Nouns: nouns}
	if shown == 0 {
		p.From = offset
	}
	at := func(n int) string {
		v := url.Values{}
		for k, list := range query {
			v[k] = list
		}
		v.Del("page")
		if n > 1 {
			v.Set("page", strconv.Itoa(n))
		}
		return Address(path, v)
	}
	current := offset/PerPage + 1
	if current > 1 {
		p.Previous = at(current - 1)
	}
	if offset+shown < total {
		p.Next = at(current + 1)
	}
	return p
}

// Offset returns the offset of the page that a query asks for.
func Offset(query url.Values) int {
	n, err := strconv.Atoi(query.Get("page"))
	if err != nil || n < 1 || n > 1_000_000 {
		return 0
	}
	return (n - 1) * PerPage
}

// Address joins a path and a query.
func Address(path string, query url.Values) string {
	if text := query.Encode(); text != "" {
		return path + "?" + text
	}
	return path
}

// Without returns a query less one value of one key, and back on the first page.
func Without(query url.Values, key, value string) url.Values {
	v := url.Values{}
	for k, list := range query {
		for _, item := range list {
			if k == "page" || (k == key && (value == "" || item == value)) || item == "" {
				continue
			}
			v.Add(k, item)
		}
	}
	return v
}

// With returns a query with one key set to one value, and back on the first page.
func With(query url.Values, key, value string) url.Values {
	v := Without(query, key, "")
	if value != "" {
		v.Set(key, value)
	}
	return v
}
