package check

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ParamType is the type of a parameter.
type ParamType string

// The types.
const (
	IntParam  ParamType = "int"
	BoolParam ParamType = "bool"
	ListParam ParamType = "list" // comma-separated texts
)

// Param is a threshold that a connection may set.
type Param struct {
	Name    string // snake_case
	Title   string // for people, with the unit
	Type    ParamType
	Default string
	Min     int // of IntParam
	Max     int // of IntParam
}

// Settings are the parsed parameters of every check. The zero value means
// defaults.
type Settings struct {
	values map[string]string // "USE002.days" → text, known good
}

// SettingError is a setting that makes no sense.
type SettingError struct {
	Key    string // "USE002.days", or the name of a check
	Reason string // for people
}

// Error implements error.
func (e *SettingError) Error() string { return fmt.Sprintf("check setting %q: %s", e.Key, e.Reason) }

// ParseSettings reads parameters as connections store them: "USE002.days" →
// "180". The error is a [*SettingError].
func ParseSettings(checks []Check, raw map[string]string) (Settings, error) {
	known := map[string]Param{}
	ids := map[string]bool{}
	for _, c := range checks {
		ids[c.Meta.ID] = true
		for _, p := range c.Meta.Params {
			known[c.Meta.ID+"."+p.Name] = p
		}
	}
	s := Settings{values: map[string]string{}}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		p, ok := known[key]
		if !ok {
			id, _, _ := strings.Cut(key, ".")
			if ids[id] {
				return Settings{}, &SettingError{key, "the check has no such parameter"}
			}
			return Settings{}, &SettingError{key, "there is no such check"}
		}
		text := strings.TrimSpace(raw[key])
		if reason := p.reject(text); reason != "" {
			return Settings{}, &SettingError{key, reason}
		}
		s.values[key] = text
	}
	return s, nil
}

// reject says why a text is no value of the parameter, "" when it is one.
func (p Param) reject(text string) string {
	switch p.Type {
	case IntParam:
		n, err := strconv.Atoi(text)
		if err != nil {
			return "it must be a whole number"
		}
		if n < p.Min || n > p.Max {
			return fmt.Sprintf("it must lie between %d and %d", p.Min, p.Max)
		}
	case BoolParam:
		if text != "true" && text != "false" {
			return "it must be true or false"
		}
	case ListParam:
		if len(text) > 4000 {
			return "it is too long"
		}
	}
	return ""
}

func (s Settings) text(m Meta, name string) string {
	if v, ok := s.values[m.ID+"."+name]; ok {
		return v
	}
	for _, p := range m.Params {
		if p.Name == name {
			return p.Default
		}
	}
	// A typo in a check: caught by the first run of its examples.
	panic("check " + m.ID + " declares no parameter " + name)
}

// Select chooses the checks that run: the defaults, plus enabled, minus
// disabled. Both take ids, slugs, families ("DUP") and "all". An unknown name is
// a [*SettingError].
func Select(checks []Check, enabled, disabled []string) ([]Check, error) {
	on := make([]bool, len(checks))
	for i, c := range checks {
		on[i] = c.Meta.Default
	}
	set := func(names []string, to bool) error {
		for _, name := range names {
			found := false
			for i, c := range checks {
				if c.Meta.answersTo(name) {
					on[i], found = to, true
				}
			}
			if !found && !knownFamily(name) {
				return &SettingError{name, "there is no check or family of this name"}
			}
		}
		return nil
	}
	if err := set(enabled, true); err != nil {
		return nil, err
	}
	if err := set(disabled, false); err != nil {
		return nil, err
	}
	var out []Check
	for i, c := range checks {
		if on[i] {
			out = append(out, c)
		}
	}
	return out, nil
}

func (m Meta) answersTo(name string) bool {
	return strings.EqualFold(name, m.ID) || strings.EqualFold(name, m.Slug) ||
		strings.EqualFold(name, string(m.Family)) || strings.EqualFold(name, "all")
}

func knownFamily(name string) bool {
	return slices.ContainsFunc(Families(), func(f Family) bool { return strings.EqualFold(name, string(f)) })
}
