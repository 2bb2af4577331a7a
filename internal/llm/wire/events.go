package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxEvent bounds one event of a stream, in bytes.
const MaxEvent = 4 << 20

// ErrEvent is an event that is larger than any may be.
var ErrEvent = errors.New("an event of the stream is too large")

// Events reads a stream of server-sent events, as
// https://html.spec.whatwg.org/multipage/server-sent-events.html has it.
type Events struct {
	in *bufio.Reader
}

// NewEvents reads events from r.
func NewEvents(r io.Reader) *Events {
	const buffer = 32 << 10
	return &Events{in: bufio.NewReaderSize(r, buffer)}
}

// Next returns the data of the next event that has some; io.EOF at the end. An
// event that is cut off by the end is none.
func (e *Events) Next() ([]byte, error) {
	var data []byte
	has, size := false, 0
	for {
		line, err := e.line(&size)
		if err != nil {
			return nil, err
		}
		if len(line) == 0 {
			if has {
				return data, nil
			}
			size = 0
			continue
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if string(name) != "data" {
			continue // comments, and fields that this protocol does not use
		}
		if has {
			data = append(data, '\n')
		}
		data, has = append(data, bytes.TrimPrefix(value, []byte(" "))...), true
	}
}

// line reads a line without its end and adds its length to size.
func (e *Events) line(size *int) ([]byte, error) {
	var line []byte
	for {
		part, err := e.in.ReadSlice('\n')
		*size += len(part)
		if *size > MaxEvent {
			return nil, ErrEvent
		}
		line = append(line, part...)
		switch {
		case err == nil:
			return bytes.TrimRight(line, "\r\n"), nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, err
		}
	}
}
