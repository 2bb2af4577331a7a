package tools

import "strconv"

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// plural of an asset kind.
func plural(kind string) string {
	switch kind {
	case "":
		return "assets"
	case "person":
		return "people"
	case "query":
		return "queries"
	}
	return kind + "s"
}
