package metabasetest

import (
	"strconv"
	"strings"
)

// Newest is the newest major version the fake knows.
const Newest = 64

// Versions lists the majors the fake speaks, oldest first, as Config.Version
// takes them.
func Versions() []string {
	var all []string
	for m := 46; m <= Newest; m++ {
		all = append(all, "0."+strconv.Itoa(m))
	}
	return all
}

// version is the behaviour of one build. The reference's section 2 is encoded
// in these predicates; where it says "about", the boundary chosen here is noted.
type version struct {
	major      int
	tag        string
	unknown    bool
	enterprise bool
}

// parseVersion reads "0.58", "0.58.2", "v1.58.2" or anything else, which is an
// unknown build that behaves like the newest (or like major, if given).
func parseVersion(s string, major int, enterprise bool) version {
	v := version{major: major, enterprise: enterprise}
	parts := strings.Split(strings.TrimPrefix(s, "v"), ".")
	if len(parts) >= 2 && (parts[0] == "0" || parts[0] == "1") {
		if m, err := strconv.Atoi(parts[1]); err == nil {
			if major == 0 {
				v.major = m
			}
			v.enterprise = enterprise || parts[0] == "1"
			rest := "2"
			if len(parts) > 2 {
				rest = strings.Join(parts[2:], ".")
			}
			edition := "0"
			if v.enterprise {
				edition = "1"
			}
			v.tag = "v" + edition + "." + parts[1] + "." + rest
		}
	}
	if v.tag == "" {
		v.unknown = true
		switch s {
		case "", "unknown":
			v.tag = "vUNKNOWN"
		default:
			v.tag = s
		}
	}
	if v.major == 0 {
		v.major = Newest
	}
	return v
}

func (v version) from(major int) bool  { return v.major >= major }
func (v version) until(major int) bool { return v.major <= major }

func (v version) mbql5() bool       { return v.from(57) }
func (v version) jsonErrors() bool  { return v.from(59) }
func (v version) kebab() bool       { return v.from(64) }
func (v version) apiKeys() bool     { return v.from(49) }
func (v version) metricCards() bool { return v.from(50) }

// archivedDirectly: the recorded 0.50.5 does not have the key yet.
func (v version) archivedDirectly() bool { return v.from(51) }

// dashboardQuestions: cards that live inside a dashboard.
func (v version) dashboardQuestions() bool { return v.from(53) }

// paramValues: gone "by 0.58", present in mid-2024 source; taken as up to 0.52.
func (v version) paramValues() bool { return v.until(52) }

// legacyQuery: "may vanish"; taken as gone from 0.62.
func (v version) legacyQuery() bool { return v.mbql5() && v.until(61) }

// countsCardViews: taken as up to 0.58.
func (v version) countsCardViews() bool { return v.until(58) }

// mayCountCardViews: somewhere before 0.60 the counting stopped; an unknown
// build may be old.
func (v version) mayCountCardViews() bool { return v.until(59) || v.unknown }

// entityPaths: "0.57–0.59"; taken as from 0.58.
func (v version) entityPaths() bool { return v.from(58) }
