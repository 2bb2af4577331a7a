package web

import "time"

// Patterns lists the pattern of every route, for tests that ask them all.
func Patterns() []string {
	var list []string
	for _, r := range routes(Config{}) {
		list = append(list, r.Pattern)
	}
	return list
}

// Limited sets the time limits of a server.
func (o ServeOptions) Limited(header, read, write, idle time.Duration) ServeOptions {
	o.limits = &timeLimits{header, read, write, idle}
	return o
}
