package mask

import (
	"embed"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/errs"
)

// Text is text that may be shown to a model. Its field is unexported, so that
// only this package can make one: what reaches a model came through here. The
// zero value is the empty text.
type Text struct{ s string }

// constant is a text that stands in our source. Being unexported, it is only
// ever made of an untyped constant: a variable of type string does not convert.
type constant string

// Constant makes a text of a literal in the source.
func Constant(c constant) Text { return Text{string(c)} }

// Prompt reads a prompt that was built into the binary. A name that is not
// there is an error of kind errs.Internal.
func Prompt(files embed.FS, name string) (Text, error) {
	data, err := files.ReadFile(name)
	if err != nil {
		return Text{}, errs.Wrap(err, errs.Internal, "prompt_missing", "A built-in prompt is missing.", "Install MetaLens again.")
	}
	return Text{string(data)}, nil
}

// FromModel takes what a model itself said. It saw masked text only, so that it
// may go back into the same conversation, and into no other.
func FromModel(s string) Text { return Text{s} }

// Number writes a number that we computed: a count, an id, a share.
func Number[N int | int64 | float64](n N) Text {
	if f, ok := any(n).(float64); ok {
		return Text{strconv.FormatFloat(f, 'f', -1, 64)}
	}
	return Text{strconv.FormatInt(int64(n), 10)}
}

// Join puts texts behind each other.
func Join(parts ...Text) Text {
	size := 0
	for _, p := range parts {
		size += len(p.s)
	}
	var b strings.Builder
	b.Grow(size)
	for _, p := range parts {
		b.WriteString(p.s)
	}
	return Text{b.String()}
}

// Lines puts texts below each other, each non-empty one on its own line.
func Lines(parts ...Text) Text {
	var b strings.Builder
	for _, p := range parts {
		if p.s == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(p.s)
	}
	return Text{b.String()}
}

// String returns the text.
func (t Text) String() string { return t.s }

// IsEmpty reports whether there is nothing to show.
func (t Text) IsEmpty() bool { return t.s == "" }

// Len is the length in bytes.
func (t Text) Len() int { return len(t.s) }

// Cut returns at most size bytes of the text, ending at a whole character and
// never inside a placeholder.
func (t Text) Cut(size int) Text {
	if size <= 0 {
		return Text{}
	}
	if len(t.s) <= size {
		return t
	}
	for size > 0 && t.s[size]&0xc0 == 0x80 {
		size--
	}
	for at := range placeholders(t.s) {
		if at.Start < size && at.End > size {
			size = at.Start
			break
		}
	}
	return Text{t.s[:size]}
}
