package mask

// Span is something found in a free text: bytes [Start, End).
type Span struct {
	Start, End int
	Class      Class
	Reason     string // for people
}

// Detect finds personal data and secrets in a free text: a title, a
// description, a message, a comment. The spans are in order and do not overlap.
func Detect(s string) []Span {
	return nil
}
