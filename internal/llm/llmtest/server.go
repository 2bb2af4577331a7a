// Package llmtest is model providers that answer what a test tells them to: the
// Messages API of Anthropic, the Responses API of OpenAI, and chat completions,
// each with batches where the real one has them.
//
// It is an independent reading of the providers' documentation and shares no code
// with the clients: what the real service would refuse, it refuses, with the
// status and words of the real one as far as they are documented or were seen.
// Every request is kept, byte for byte.
package llmtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reply is what the model answers.
type Reply struct {
	Text     string
	Thinking string // comes before everything else, signed
	Calls    []Call
	Refusal  bool   // the provider's own way of declining; Text is said before it
	Stop     string // instead of what follows from the rest: max_tokens, length, …
	Usage    *Usage // instead of a count of the request
	Fault    *Fault
	Piece    int // bytes of text in one event; 0 = 12
}

// Call is a tool call. Args is written as it stands, so that it can be broken.
type Call struct{ ID, Name, Args string }

// Usage is what the provider says was used.
type Usage struct{ Input, Output, CacheRead, CacheWrite, Thinking int64 }

// Fault is what goes wrong.
type Fault struct {
	Status      int    // answered instead, with the provider's kind of error
	Type        string // of the error: rate_limit_error, insufficient_quota, …; empty = what the status usually has
	Message     string
	RetryAfter  string // header, as it stands
	ContentType string // instead of the right one, with Message as the body
	Hang        bool   // no answer, until the client goes away
	StallAfter  int    // events after which nothing more comes, until the client goes away
	CutAfter    int    // events after which the connection breaks
	EndAfter    int    // events after which the answer ends as if it were whole
	ErrorAfter  int    // events after which the stream reports an error of Type
	Endless     bool   // text without end
	Garbage     bool   // an event that is no JSON
	OneEvent    int    // bytes of one enormous event
}

// Seen is a request, as far as scripts want to know it.
type Seen struct {
	Protocol string // messages, responses, chat
	Model    string
	System   string
	Texts    []string // of the messages, in order
	Results  []string // of tools, in order
	Tools    []string
	Schema   json.RawMessage // of the answer
	Stream   bool
	Batch    bool
}

// Last is the last text of a message.
func (s Seen) Last() string {
	if len(s.Texts) == 0 {
		return ""
	}
	return s.Texts[len(s.Texts)-1]
}

// Recorded is a request as it came.
type Recorded struct {
	At     time.Time
	Method string
	Path   string // with its query
	Header http.Header
	Body   []byte
	Status int // that it was answered with
}

// Bytes is everything of the request: line, headers, body.
func (r Recorded) Bytes() []byte {
	var b strings.Builder
	b.WriteString(r.Method + " " + r.Path + "\r\n")
	_ = r.Header.Write(&b)
	b.WriteString("\r\n")
	b.Write(r.Body)
	return []byte(b.String())
}

// Config is what a server knows.
type Config struct {
	Key string // that has to be sent; empty = "test-key"
	// Own makes the chat protocol that of a server of one's own, which takes no key
	// and knows every model.
	Own bool
	Now func() time.Time
}

// Server is a provider. It speaks all protocols at once: Anthropic's below
// [Server.AnthropicURL], OpenAI's below [Server.OpenAIURL].
type Server struct {
	cfg  Config
	http *httptest.Server

	mu       sync.Mutex
	script   []Reply
	answer   func(Seen) Reply
	requests []*Recorded
	signed   map[string]bool // signatures and sealed thoughts that were given out
	cached   map[string]bool // prefixes that the cache holds
	batches  map[string]*batch
	files    map[string][]byte
	count    int
	done     chan struct{}
}

// DefaultKey is the key of a server that was given none.
const DefaultKey = "test-key"

// Start runs a server. Close it.
func Start(cfg Config) *Server {
	if cfg.Key == "" {
		cfg.Key = DefaultKey
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{cfg: cfg, signed: map[string]bool{}, cached: map[string]bool{}, batches: map[string]*batch{}, files: map[string][]byte{}, done: make(chan struct{})}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Close stops the server; whoever waits for an answer is cut off.
func (s *Server) Close() {
	close(s.done)
	s.http.CloseClientConnections()
	s.http.Close()
}

// AnthropicURL is the address of the Messages API.
func (s *Server) AnthropicURL() string { return s.http.URL }

// OpenAIURL is the address of OpenAI's protocols.
func (s *Server) OpenAIURL() string { return s.http.URL + "/v1" }

// Say adds answers to the script. Each is given once, in order.
func (s *Server) Say(replies ...Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = append(s.script, replies...)
}

// Answer sets what is answered when the script is at its end.
func (s *Server) Answer(f func(Seen) Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// Requests returns every request so far.
func (s *Server) Requests() []Recorded {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Recorded, 0, len(s.requests))
	for _, r := range s.requests {
		out = append(out, *r)
	}
	return out
}

// Left is how many answers of the script were not asked for.
func (s *Server) Left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.script)
}

// next is the answer to a request.
func (s *Server) next(seen Seen) Reply {
	s.mu.Lock()
	if len(s.script) > 0 {
		r := s.script[0]
		s.script = s.script[1:]
		s.mu.Unlock()
		return r
	}
	f := s.answer
	s.mu.Unlock()
	if f != nil {
		return f(seen)
	}
	return Reply{Text: "OK."}
}

// id makes a name that is not given twice.
func (s *Server) id(prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	const width = 24
	number := strings.Repeat("0", width) + itoa(s.count)
	return prefix + number[len(number)-width:]
}

// sign gives out a signature that the server knows again.
func (s *Server) sign(prefix string) string {
	text := s.id(prefix)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed[text] = true
	return text
}

func (s *Server) knows(signature string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed[signature]
}

// maxBody is how large a request may be: 32 MB with Anthropic, and never more
// here.
const maxBody = 32 << 20

// statusWriter notes the status.
type statusWriter struct {
	http.ResponseWriter
	to *Recorded
	mu *sync.Mutex
}

func (w statusWriter) WriteHeader(status int) {
	w.mu.Lock()
	w.to.Status = status
	w.mu.Unlock()
	w.ResponseWriter.WriteHeader(status)
}

func (w statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return
	}
	rec := &Recorded{At: s.cfg.Now(), Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: body, Status: http.StatusOK}
	s.mu.Lock()
	s.requests = append(s.requests, rec)
	s.mu.Unlock()
	w = statusWriter{w, rec, &s.mu}
	path := r.URL.Path
	switch {
	case path == "/v1/messages" || strings.HasPrefix(path, "/v1/messages/"):
		s.anthropic(w, r, body)
	case slices.Contains([]string{"/v1/chat/completions", "/v1/responses", "/v1/files", "/v1/batches"}, path),
		strings.HasPrefix(path, "/v1/files/"), strings.HasPrefix(path, "/v1/batches/"):
		s.openai(w, r, body)
	default:
		http.Error(w, "404 page not found", http.StatusNotFound)
	}
}

// refusal is an error of the API.
type refusal struct {
	status  int
	kind    string // type
	code    string // OpenAI's
	param   string // OpenAI's
	message string
	after   string // Retry-After
}

// hang waits until the client or the server goes away.
func (s *Server) hang(r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-s.done:
	}
}

// before does what a fault does instead of an answer; handled says that it did.
func (s *Server) before(w http.ResponseWriter, r *http.Request, f *Fault, fail func(refusal)) (handled bool) {
	switch {
	case f == nil:
		return false
	case f.Hang:
		s.hang(r)
	case f.Status != 0:
		fail(refusal{status: f.Status, kind: f.Type, message: f.Message, after: f.RetryAfter})
	case f.ContentType != "":
		w.Header().Set("Content-Type", f.ContentType)
		_, _ = io.WriteString(w, f.Message)
	default:
		return false
	}
	return true
}

// stream writes server-sent events and does what a fault does to them.
type stream struct {
	s     *Server
	w     http.ResponseWriter
	r     *http.Request
	fault Fault
	sent  int
	over  bool
	// fail writes an error event.
	fail func(*stream, Fault)
}

func (s *Server) stream(w http.ResponseWriter, r *http.Request, f *Fault, fail func(*stream, Fault)) *stream {
	w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	out := &stream{s: s, w: w, r: r, fail: fail}
	if f != nil {
		out.fault = *f
	}
	w.WriteHeader(http.StatusOK)
	out.flush()
	return out
}

func (o *stream) flush() { _ = http.NewResponseController(o.w).Flush() }

// raw writes text as it is.
func (o *stream) raw(text string) {
	if o.over {
		return
	}
	_, _ = io.WriteString(o.w, text)
	o.flush()
}

// event writes one event. name is empty for protocols without names.
func (o *stream) event(name string, data any) {
	if o.over {
		return
	}
	f := o.fault
	reached := func(n int) bool { return n > 0 && o.sent >= n }
	switch {
	case reached(f.StallAfter):
		o.s.hang(o.r)
		o.over = true
		return
	case reached(f.CutAfter):
		o.over = true
		if conn, _, err := http.NewResponseController(o.w).Hijack(); err == nil {
			_ = conn.Close()
		}
		return
	case reached(f.EndAfter):
		o.over = true
		return
	case reached(f.ErrorAfter):
		o.fault.ErrorAfter = 0
		o.fail(o, f)
		o.over = true
		return
	case f.Garbage && o.sent == 1:
		o.raw("event: " + name + "\ndata: {\"half\n\n")
	case f.OneEvent > 0 && o.sent == 1:
		o.raw("event: " + name + "\ndata: {\"x\":\"" + strings.Repeat("x", f.OneEvent) + "\"}\n\n")
	}
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // our own values always marshal
	}
	text := "data: " + string(raw) + "\n\n"
	if name != "" {
		text = "event: " + name + "\n" + text
	}
	o.raw(text)
	o.sent++
}

// pieces cuts text as streams do, between characters.
func pieces(text string, size int) []string {
	if size <= 0 {
		size = 12
	}
	var out []string
	var b strings.Builder
	for _, r := range text {
		b.WriteRune(r)
		if b.Len() >= size {
			out = append(out, b.String())
			b.Reset()
		}
	}
	if b.Len() > 0 {
		out = append(out, b.String())
	}
	return out
}

// tokens counts as the fake does: four bytes to a token.
func tokens(n int) int64 { return int64(n/4) + 1 }

func itoa(n int) string {
	raw, err := json.Marshal(n)
	if err != nil {
		return "0"
	}
	return string(raw)
}
