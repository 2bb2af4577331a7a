package page

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"
)

// StreamBeat is how often a silent stream should say that it is still there.
const StreamBeat = 15 * time.Second

// Stream answers with server-sent events.
type Stream struct {
	q       *Request
	control *http.ResponseController
}

// Stream begins a stream of server-sent events. Nothing else may be written then.
func (q *Request) Stream() *Stream {
	header := q.W.Header()
	header.Set("Content-Type", "text/event-stream; charset=utf-8")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no")
	q.W.WriteHeader(http.StatusOK)
	return &Stream{q, http.NewResponseController(q.W)}
}

// Beat says that the stream is still there; it answers false when the reader has
// gone.
func (s *Stream) Beat() bool { return s.send(": still here\n\n") }

// Event sends a component's HTML under a name; it answers false when the reader
// has gone.
func (s *Stream) Event(name string, c templ.Component) bool {
	var b bytes.Buffer
	if err := c.Render(s.q.Context(), &b); err != nil {
		return false
	}
	return s.EventHTML(name, b.String())
}

// EventHTML sends what a component was rendered to.
func (s *Stream) EventHTML(name, html string) bool {
	var out strings.Builder
	fmt.Fprintf(&out, "event: %s\n", name)
	for line := range strings.SplitSeq(strings.ReplaceAll(html, "\r", ""), "\n") {
		fmt.Fprintf(&out, "data: %s\n", line)
	}
	out.WriteString("\n")
	return s.send(out.String())
}

// send writes and flushes. Each write gets a deadline of its own: the server's
// would end the stream.
func (s *Stream) send(text string) bool {
	if err := s.control.SetWriteDeadline(time.Now().Add(StreamBeat)); err != nil {
		return false
	}
	if _, err := fmt.Fprint(s.q.W, text); err != nil {
		return false
	}
	return s.control.Flush() == nil
}
