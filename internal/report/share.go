package report

// Clip shortens cleaned text to a display width, ending in an ellipsis.
func Clip(s string, width int) string { return clip(s, width) }

// Group writes a number with thousands separated by a comma.
func Group(n int64) string { return group(n) }

// Plural returns "1 question" or "2 questions", with grouped digits.
func Plural(n int, one, many string) string { return plural(n, one, many) }
