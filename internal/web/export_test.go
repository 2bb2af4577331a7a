package web

// Patterns lists the pattern of every route, for tests that ask them all.
func Patterns() []string {
	var list []string
	for _, r := range routes(Config{}) {
		list = append(list, r.Pattern)
	}
	return list
}
