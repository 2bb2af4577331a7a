package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// anthropic answers the Messages API.
func (s *Server) anthropic(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("Request-Id", s.id("req_"))
	fail := func(x refusal) { failAnthropic(w, x) }
	switch key := r.Header.Get("X-Api-Key"); {
	case key == "":
		fail(refusal{status: 401, kind: "authentication_error", message: "x-api-key header is required"})
		return
	case key != s.cfg.Key:
		fail(refusal{status: 401, kind: "authentication_error", message: "invalid x-api-key"})
		return
	case r.Header.Get("Anthropic-Version") == "":
		fail(*invalid("anthropic-version: header is required"))
		return
	case r.Header.Get("Anthropic-Version") != "2023-06-01":
		fail(*invalid("anthropic-version: \"%s\" is not a valid version", r.Header.Get("Anthropic-Version")))
		return
	case len(body) > maxBody:
		fail(refusal{status: 413, kind: "request_too_large", message: "Request exceeds the maximum size"})
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/messages")
	switch {
	case path == "" && r.Method == http.MethodPost:
		s.message(w, r, body, fail)
	case path == "/count_tokens" && r.Method == http.MethodPost:
		o, bad := readJSON(r, body)
		if bad == nil {
			bad = s.checkMessages(o, true)
		}
		if bad != nil {
			fail(*bad)
			return
		}
		writeJSON(w, http.StatusOK, object{"input_tokens": tokens(len(textOf(o)))})
	case strings.HasPrefix(path, "/batches"):
		s.messageBatches(w, r, strings.TrimPrefix(path, "/batches"), body, fail)
	default:
		fail(refusal{status: 404, kind: "not_found_error", message: "Not found"})
	}
}

func readJSON(r *http.Request, body []byte) (object, *refusal) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, invalid("Content-Type must be application/json")
	}
	o, err := parse(body)
	if err != nil {
		return nil, invalid("The request body is not valid JSON: %v", err)
	}
	return o, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// kindOfStatus is the type that Anthropic gives an error of a status.
func kindOfStatus(status int) string {
	const overloaded = 529
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusInternalServerError:
		return "api_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case overloaded:
		return "overloaded_error"
	}
	return "invalid_request_error"
}

func failAnthropic(w http.ResponseWriter, x refusal) {
	if x.after != "" {
		w.Header().Set("Retry-After", x.after)
	}
	if x.kind == "" {
		x.kind = kindOfStatus(x.status)
	}
	if x.message == "" {
		x.message = http.StatusText(x.status)
		if x.kind == "overloaded_error" {
			x.message = "Overloaded"
		}
	}
	writeJSON(w, x.status, object{"type": "error", "error": object{"type": x.kind, "message": x.message}, "request_id": w.Header().Get("Request-Id")})
}

func seenMessages(o object) Seen {
	seen := Seen{Protocol: "messages", Model: text(o["model"]), System: textOf2(o["system"])}
	seen.Stream, _ = o["stream"].(bool)
	for _, m := range list(o["messages"]) {
		turn := obj(m)
		if said, ok := turn["content"].(string); ok {
			seen.Texts = append(seen.Texts, said)
		}
		for _, b := range list(turn["content"]) {
			block := obj(b)
			switch text(block["type"]) {
			case "text":
				seen.Texts = append(seen.Texts, text(block["text"]))
			case "tool_result":
				seen.Results = append(seen.Results, textOf2(block["content"]))
			}
		}
	}
	for _, t := range list(o["tools"]) {
		seen.Tools = append(seen.Tools, text(obj(t)["name"]))
	}
	if schema := obj(obj(obj(o["output_config"])["format"])["schema"]); schema != nil {
		seen.Schema, _ = json.Marshal(schema)
	}
	return seen
}

// textOf2 joins a text, or blocks of text.
func textOf2(v any) string {
	if said, ok := v.(string); ok {
		return said
	}
	var parts []string
	for _, b := range list(v) {
		parts = append(parts, text(obj(b)["text"]))
	}
	return strings.Join(parts, "\n")
}

// prefix is what the marks of a request let the cache keep, and the rest.
func prefix(body []byte, o object) (kept string, keptBytes, rest int) {
	all := len(textOf(o))
	at := bytes.LastIndex(body, []byte(`"cache_control"`))
	if at < 0 {
		return "", 0, all
	}
	part := 0
	for _, name := range []string{"tools", "system"} {
		part += len(textOf(o[name]))
	}
	return fmt.Sprint(textOf2(o["system"]), len(list(o["tools"]))), part, all - part
}

// used counts a request as the API would.
func (s *Server) used(body []byte, o object, reply Reply) Usage {
	if reply.Usage != nil {
		return *reply.Usage
	}
	written := len(reply.Text) + len(reply.Thinking)
	for _, c := range reply.Calls {
		written += len(c.Args)
	}
	u := Usage{Output: tokens(written), Thinking: tokens(len(reply.Thinking)) - 1}
	key, kept, rest := prefix(body, o)
	u.Input = tokens(rest)
	if key == "" {
		return u
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cached[key] {
		u.CacheRead = tokens(kept)
	} else {
		u.CacheWrite = tokens(kept)
		s.cached[key] = true
	}
	return u
}

// blocks are the content of a message.
func (s *Server) blocks(reply Reply) []object {
	var out []object
	if reply.Thinking != "" {
		signature := s.id("sig_")
		s.mu.Lock()
		s.signed[signature+"\x00"+reply.Thinking] = true
		s.mu.Unlock()
		out = append(out, object{"type": "thinking", "thinking": reply.Thinking, "signature": signature})
	}
	if reply.Text != "" {
		out = append(out, object{"type": "text", "text": reply.Text})
	}
	for _, c := range reply.Calls {
		id := c.ID
		if id == "" {
			id = s.id("toolu_")
		}
		out = append(out, object{"type": "tool_use", "id": id, "name": c.Name, "input": json.RawMessage(c.Args)})
	}
	return out
}

func (r Reply) stopAnthropic() string {
	switch {
	case r.Stop != "":
		return r.Stop
	case r.Refusal:
		return "refusal"
	case len(r.Calls) > 0:
		return "tool_use"
	}
	return "end_turn"
}

func usageAnthropic(u Usage) object {
	return object{
		"input_tokens": u.Input, "cache_creation_input_tokens": u.CacheWrite, "cache_read_input_tokens": u.CacheRead, "output_tokens": u.Output,
		"cache_creation": object{"ephemeral_5m_input_tokens": u.CacheWrite, "ephemeral_1h_input_tokens": 0}, "service_tier": "standard",
		"output_tokens_details": object{"thinking_tokens": u.Thinking},
	}
}

// message answers one request.
func (s *Server) message(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	o, bad := readJSON(r, body)
	if bad == nil {
		bad = s.checkMessages(o, false)
	}
	if bad != nil {
		fail(*bad)
		return
	}
	seen := seenMessages(o)
	reply := s.next(seen)
	if s.before(w, r, reply.Fault, fail) {
		return
	}
	u := s.used(body, o, reply)
	if !seen.Stream {
		writeJSON(w, http.StatusOK, s.wholeMessage(seen.Model, reply, u))
		return
	}
	out := s.stream(w, r, reply.Fault, func(o *stream, f Fault) {
		kind := f.Type
		if kind == "" {
			kind = "overloaded_error"
		}
		o.event("error", object{"type": "error", "error": object{"type": kind, "message": f.Message}, "request_id": w.Header().Get("Request-Id")})
	})
	s.streamMessage(out, seen.Model, reply, u)
}

func (s *Server) wholeMessage(model string, reply Reply, u Usage) object {
	content := s.blocks(reply)
	if content == nil {
		content = []object{}
	}
	return object{
		"id": s.id("msg_"), "type": "message", "role": "assistant", "model": model, "content": content,
		"stop_reason": reply.stopAnthropic(), "stop_sequence": nil, "usage": usageAnthropic(u),
	}
}

// streamMessage writes the events in the order of
// https://platform.claude.com/docs/en/build-with-claude/streaming
func (s *Server) streamMessage(out *stream, model string, reply Reply, u Usage) {
	first := u
	first.Output, first.Thinking = 1, 0
	out.event("message_start", object{"type": "message_start", "message": object{
		"id": s.id("msg_"), "type": "message", "role": "assistant", "model": model, "content": []any{}, "stop_reason": nil, "stop_sequence": nil, "usage": usageAnthropic(first),
	}})
	for i, b := range s.blocks(reply) {
		start, deltas := object{}, []object{}
		switch b["type"] {
		case "thinking":
			start = object{"type": "thinking", "thinking": "", "signature": ""}
			for _, p := range pieces(reply.Thinking, reply.Piece) {
				deltas = append(deltas, object{"type": "thinking_delta", "thinking": p})
			}
			deltas = append(deltas, object{"type": "signature_delta", "signature": b["signature"]})
		case "text":
			start = object{"type": "text", "text": ""}
			for _, p := range pieces(reply.Text, reply.Piece) {
				deltas = append(deltas, object{"type": "text_delta", "text": p})
			}
		case "tool_use":
			start = object{"type": "tool_use", "id": b["id"], "name": b["name"], "input": object{}}
			deltas = append(deltas, object{"type": "input_json_delta", "partial_json": ""})
			args, _ := b["input"].(json.RawMessage)
			for _, p := range pieces(string(args), reply.Piece) {
				deltas = append(deltas, object{"type": "input_json_delta", "partial_json": p})
			}
		}
		out.event("content_block_start", object{"type": "content_block_start", "index": i, "content_block": start})
		if i == 0 {
			out.event("ping", object{"type": "ping"})
		}
		for _, d := range deltas {
			out.event("content_block_delta", object{"type": "content_block_delta", "index": i, "delta": d})
		}
		for out.fault.Endless && b["type"] == "text" && !out.over && out.r.Context().Err() == nil {
			out.event("content_block_delta", object{"type": "content_block_delta", "index": i, "delta": object{"type": "text_delta", "text": strings.Repeat("again and again ", 64)}})
		}
		out.event("content_block_stop", object{"type": "content_block_stop", "index": i})
	}
	out.event("message_delta", object{
		"type": "message_delta", "delta": object{"stop_reason": reply.stopAnthropic(), "stop_sequence": nil},
		"usage": object{"output_tokens": u.Output, "output_tokens_details": object{"thinking_tokens": u.Thinking}},
	})
	out.event("message_stop", object{"type": "message_stop"})
}

// batch is work that was handed in. It is done as soon as its state was asked
// for once.
type batch struct {
	id       string
	lines    [][]byte // of results
	asked    bool
	canceled bool
	made     time.Time
	file     string // OpenAI's result file
	input    string
}

// messageBatches answers /v1/messages/batches…
func (s *Server) messageBatches(w http.ResponseWriter, r *http.Request, path string, body []byte, fail func(refusal)) {
	if path == "" && r.Method == http.MethodPost {
		s.newMessageBatch(w, r, body, fail)
		return
	}
	id, action, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	s.mu.Lock()
	b := s.batches[id]
	s.mu.Unlock()
	if b == nil {
		fail(refusal{status: 404, kind: "not_found_error", message: "message_batch: " + id})
		return
	}
	switch {
	case action == "results" && r.Method == http.MethodGet:
		if !b.asked {
			fail(*invalid("Message batch has no available results"))
			return
		}
		w.Header().Set("Content-Type", "application/x-jsonl")
		for _, line := range b.lines {
			_, _ = io.WriteString(w, string(line)+"\n")
		}
	case action == "cancel" && r.Method == http.MethodPost:
		b.canceled = true
		writeJSON(w, http.StatusOK, s.batchObject(b, "canceling", len(b.lines)))
	case action == "" && r.Method == http.MethodGet:
		status, open := "in_progress", len(b.lines)
		if b.asked {
			status, open = "ended", 0
		}
		b.asked = true
		writeJSON(w, http.StatusOK, s.batchObject(b, status, open))
	default:
		fail(refusal{status: 404, kind: "not_found_error", message: "Not found"})
	}
}

func (s *Server) batchObject(b *batch, status string, open int) object {
	o := object{
		"id": b.id, "type": "message_batch", "processing_status": status, "created_at": b.made.Format(time.RFC3339), "expires_at": b.made.Add(24 * time.Hour).Format(time.RFC3339),
		"request_counts": object{"processing": open, "succeeded": len(b.lines) - open, "errored": 0, "canceled": 0, "expired": 0},
		"ended_at":       nil, "archived_at": nil, "cancel_initiated_at": nil, "results_url": nil,
	}
	if status == "ended" {
		o["results_url"] = s.AnthropicURL() + "/v1/messages/batches/" + b.id + "/results"
	}
	return o
}

func (s *Server) newMessageBatch(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	o, bad := readJSON(r, body)
	if bad != nil {
		fail(*bad)
		return
	}
	items := list(o["requests"])
	const most = 100_000
	switch {
	case unknown(o, "requests") != "":
		fail(*invalid("%s: Extra inputs are not permitted", unknown(o, "requests")))
		return
	case len(items) == 0:
		fail(*invalid("requests: List should have at least 1 item after validation, not 0"))
		return
	case len(items) > most:
		fail(*invalid("requests: List should have at most %d items", most))
		return
	}
	b := &batch{id: s.id("msgbatch_"), made: s.cfg.Now().UTC()}
	ids := map[string]bool{}
	for i, item := range items {
		id, params := text(obj(item)["custom_id"]), obj(obj(item)["params"])
		const longest = 64
		switch {
		case !wordID.MatchString(id) || len(id) > longest:
			fail(*invalid("requests.%d.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'", i))
			return
		case ids[id]:
			fail(*invalid("requests: custom_id values must be unique"))
			return
		case params["stream"] != nil:
			fail(*invalid("requests.%d.params.stream: Extra inputs are not permitted", i))
			return
		}
		ids[id] = true
		var result object
		if bad := s.checkMessages(params, false); bad != nil {
			result = object{"type": "errored", "error": object{"type": "error", "error": object{"type": bad.kind, "message": bad.message}}}
		} else {
			seen := seenMessages(params)
			seen.Batch = true
			reply := s.next(seen)
			raw, _ := json.Marshal(params)
			result = object{"type": "succeeded", "message": s.wholeMessage(seen.Model, reply, s.used(raw, params, reply))}
			if f := reply.Fault; f != nil {
				result = object{"type": "errored", "error": object{"type": "error", "error": object{"type": kindOfStatus(f.Status), "message": f.Message}}}
			}
		}
		line, _ := json.Marshal(object{"custom_id": id, "result": result})
		b.lines = append(b.lines, line)
	}
	s.mu.Lock()
	s.batches[b.id] = b
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, s.batchObject(b, "in_progress", len(b.lines)))
}
