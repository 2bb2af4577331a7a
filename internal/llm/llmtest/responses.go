package llmtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"slices"
	"strings"
)

// checkResponse is what the Responses API refuses.
func (s *Server) checkResponse(o object) *refusal {
	if extra := unknown(o, "model", "input", "instructions", "tools", "tool_choice", "text", "max_output_tokens", "reasoning", "include", "store", "stream", "parallel_tool_calls",
		"metadata", "temperature", "top_p", "truncation", "user", "previous_response_id", "prompt_cache_key", "safety_identifier", "service_tier", "stream_options", "background"); extra != "" {
		return wrong(extra, "unknown_parameter", "Unknown parameter: '%s'.", extra)
	}
	model, bad := s.model(o)
	if bad != nil {
		return bad
	}
	names := map[string]bool{}
	for i, t := range list(o["tools"]) {
		tool, at := obj(t), fmt.Sprintf("tools[%d]", i)
		if text(tool["type"]) != "function" {
			return wrong(at+".type", "invalid_value", "Invalid value: '%s'.", text(tool["type"]))
		}
		if extra := unknown(tool, "type", "name", "description", "parameters", "strict"); extra != "" {
			return wrong(at+"."+extra, "unknown_parameter", "Unknown parameter: '%s.%s'.", at, extra)
		}
		if bad := checkFunction(tool, at, names); bad != nil {
			return bad
		}
	}
	if bad := checkChoice(o, names, false); bad != nil {
		return bad
	}
	const least = 16
	if n, ok := o["max_output_tokens"].(json.Number); ok {
		if v, err := n.Int64(); err != nil || v < least {
			return wrong("max_output_tokens", "integer_below_min_value", "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= %d, but got %s instead.", least, n)
		}
	}
	switch {
	case o["reasoning"] != nil && model.plain:
		return wrong("reasoning.effort", "unsupported_parameter", "Unsupported parameter: 'reasoning.effort' is not supported with this model.")
	case slices.Contains(list(o["include"]), any("reasoning.encrypted_content")) && model.plain:
		return wrong("include", "", "Encrypted content is not supported with this model.")
	}
	if format := obj(obj(o["text"])["format"]); format != nil && text(format["type"]) == "json_schema" {
		if bad := checkFormat(format, "text.format", "text.format.schema"); bad != nil {
			return bad
		}
	}
	if bad := s.checkItems(o["input"]); bad != nil {
		return bad
	}
	return checkLength(o, model)
}

// checkItems holds the input to its kinds and pairing.
func (s *Server) checkItems(input any) *refusal {
	if said, ok := input.(string); ok && said != "" {
		return nil
	}
	items := list(input)
	if len(items) == 0 {
		return wrong("input", "missing_required_parameter", "Missing required parameter: 'input'.")
	}
	open := map[string]bool{}
	for i, v := range items {
		item, at := obj(v), fmt.Sprintf("input[%d]", i)
		switch kind := text(item["type"]); kind {
		case "message", "":
			role := text(item["role"])
			want := "input_text"
			if role == "assistant" {
				want = "output_text"
			}
			if !slices.Contains([]string{"user", "assistant", "system", "developer"}, role) {
				return wrong(at+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'assistant', 'system', 'developer', and 'user'.", role)
			}
			for j, c := range list(item["content"]) {
				if got := text(obj(c)["type"]); got != want {
					return wrong(fmt.Sprintf("%s.content[%d]", at, j), "invalid_value", "Invalid value: '%s'. Supported values are: '%s'.", got, want)
				}
			}
		case "function_call":
			if _, isText := item["arguments"].(string); text(item["call_id"]) == "" || text(item["name"]) == "" || !isText {
				return wrong(at, "missing_required_parameter", "Missing required parameter: '%s.call_id', '.name' or '.arguments'.", at)
			}
			open[text(item["call_id"])] = true
		case "function_call_output":
			id := text(item["call_id"])
			if !open[id] {
				return wrong("input", "", "No tool call found for function call output with call_id %s.", id)
			}
			delete(open, id)
		case "reasoning":
			if !s.knows(text(item["encrypted_content"])) {
				return wrong("", "invalid_encrypted_content", "The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or parsed.")
			}
			if i+1 == len(items) || text(obj(items[i+1])["role"]) == "user" || text(obj(items[i+1])["type"]) == "function_call_output" {
				return wrong("input", "", "Item '%s' of type 'reasoning' was provided without its required following item.", text(item["id"]))
			}
		default:
			return wrong(at+".type", "invalid_value", "Invalid value: '%s'.", kind)
		}
	}
	for id := range open {
		return wrong("input", "", "No tool output found for function call %s.", id)
	}
	return nil
}

func seenResponse(o object) Seen {
	seen := Seen{Protocol: "responses", Model: text(o["model"]), System: text(o["instructions"])}
	seen.Stream, _ = o["stream"].(bool)
	if said, ok := o["input"].(string); ok {
		seen.Texts = append(seen.Texts, said)
	}
	for _, v := range list(o["input"]) {
		item := obj(v)
		switch text(item["type"]) {
		case "message", "":
			seen.Texts = append(seen.Texts, textOf2(item["content"]))
		case "function_call_output":
			seen.Results = append(seen.Results, text(item["output"]))
		}
	}
	for _, t := range list(o["tools"]) {
		seen.Tools = append(seen.Tools, text(obj(t)["name"]))
	}
	if schema := obj(obj(obj(o["text"])["format"])["schema"]); schema != nil {
		seen.Schema, _ = json.Marshal(schema)
	}
	return seen
}

// items are the output of a response.
func (s *Server) items(reply Reply) []object {
	var out []object
	if reply.Thinking != "" {
		out = append(out, object{"type": "reasoning", "id": s.id("rs_"), "summary": []any{}, "encrypted_content": s.sign("sealed_")})
	}
	if reply.Text != "" {
		part := object{"type": "output_text", "text": reply.Text, "annotations": []any{}, "logprobs": []any{}}
		if reply.Refusal {
			part = object{"type": "refusal", "refusal": reply.Text}
		}
		out = append(out, object{"type": "message", "id": s.id("msg_"), "status": "completed", "role": "assistant", "content": []object{part}})
	}
	for _, c := range reply.Calls {
		id := c.ID
		if id == "" {
			id = s.id("call_")
		}
		out = append(out, object{"type": "function_call", "id": s.id("fc_"), "status": "completed", "call_id": id, "name": c.Name, "arguments": c.Args})
	}
	return out
}

func (s *Server) wholeResponse(id, model, status string, reply Reply, items []object, u *Usage) object {
	o := object{
		"id": id, "object": "response", "created_at": s.cfg.Now().Unix(), "status": status, "model": model, "output": items, "store": false, "error": nil, "incomplete_details": nil, "usage": nil,
	}
	if status == "incomplete" {
		o["incomplete_details"] = object{"reason": reply.Stop}
	}
	if u != nil {
		in := u.Input + u.CacheRead + u.CacheWrite
		o["usage"] = object{
			"input_tokens": in, "output_tokens": u.Output, "total_tokens": in + u.Output,
			"input_tokens_details": object{"cached_tokens": u.CacheRead, "cache_write_tokens": u.CacheWrite}, "output_tokens_details": object{"reasoning_tokens": u.Thinking},
		}
	}
	return o
}

func (r Reply) statusResponse() string {
	if r.Stop == "max_output_tokens" || r.Stop == "content_filter" {
		return "incomplete"
	}
	return "completed"
}

// response answers one request.
func (s *Server) response(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	o, bad := s.readOpenAI(r, body)
	if bad == nil {
		bad = s.checkResponse(o)
	}
	if bad != nil {
		fail(*bad)
		return
	}
	seen := seenResponse(o)
	reply := s.next(seen)
	if s.before(w, r, reply.Fault, fail) {
		return
	}
	u := s.used(nil, o, reply)
	id, items := s.id("resp_"), s.items(reply)
	if !seen.Stream {
		writeJSON(w, http.StatusOK, s.wholeResponse(id, seen.Model, reply.statusResponse(), reply, items, &u))
		return
	}
	failed := func(o *stream, f Fault) {
		code := f.Type
		if code == "" {
			code = "server_error"
		}
		whole := s.wholeResponse(id, seen.Model, "failed", reply, nil, nil)
		whole["error"] = object{"code": code, "message": f.Message}
		o.event("response.failed", object{"type": "response.failed", "response": whole})
	}
	s.streamResponse(s.stream(w, r, reply.Fault, failed), id, seen.Model, reply, items, u)
}

func (s *Server) streamResponse(out *stream, id, model string, reply Reply, items []object, u Usage) {
	number := 0
	send := func(kind string, more object) {
		more["type"], more["sequence_number"] = kind, number
		number++
		out.event(kind, more)
	}
	send("response.created", object{"response": s.wholeResponse(id, model, "in_progress", reply, []object{}, nil)})
	send("response.in_progress", object{"response": s.wholeResponse(id, model, "in_progress", reply, []object{}, nil)})
	for i, item := range items {
		send("response.output_item.added", object{"output_index": i, "item": object{"type": item["type"], "id": item["id"], "status": "in_progress", "name": item["name"], "call_id": item["call_id"]}})
		switch item["type"] {
		case "message":
			kind := "response.output_text"
			if reply.Refusal {
				kind = "response.refusal"
			}
			at := func(more object) object {
				more["item_id"], more["output_index"], more["content_index"] = item["id"], i, 0
				return more
			}
			send("response.content_part.added", at(object{"part": object{"type": "output_text", "text": ""}}))
			for _, p := range pieces(reply.Text, reply.Piece) {
				send(kind+".delta", at(object{"delta": p}))
			}
			for out.fault.Endless && !out.over && out.r.Context().Err() == nil {
				send(kind+".delta", at(object{"delta": strings.Repeat("again and again ", 64)}))
			}
			send(kind+".done", at(object{"text": reply.Text}))
			send("response.content_part.done", at(object{"part": object{"type": "output_text", "text": reply.Text}}))
		case "function_call":
			for _, p := range pieces(text(item["arguments"]), reply.Piece) {
				send("response.function_call_arguments.delta", object{"item_id": item["id"], "output_index": i, "delta": p})
			}
			send("response.function_call_arguments.done", object{"item_id": item["id"], "output_index": i, "arguments": item["arguments"]})
		}
		send("response.output_item.done", object{"output_index": i, "item": item})
	}
	status := reply.statusResponse()
	send("response."+status, object{"response": s.wholeResponse(id, model, status, reply, items, &u)})
}

// file answers /v1/files…
func (s *Server) file(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	id, action, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/files"), "/"), "/")
	s.mu.Lock()
	content, ok := s.files[id]
	s.mu.Unlock()
	switch {
	case id == "" && r.Method == http.MethodPost:
		made, bad := s.upload(r, body)
		if bad != nil {
			fail(*bad)
			return
		}
		writeJSON(w, http.StatusOK, object{"id": made, "object": "file", "purpose": "batch", "filename": "batch.jsonl"})
	case !ok:
		fail(refusal{status: 404, kind: "invalid_request_error", param: "id", message: "No such File object: " + id})
	case action == "content" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(content)
	case r.Method == http.MethodDelete:
		s.mu.Lock()
		delete(s.files, id)
		s.mu.Unlock()
		writeJSON(w, http.StatusOK, object{"id": id, "object": "file", "deleted": true})
	default:
		fail(refusal{status: 405, kind: "invalid_request_error", message: "Not allowed"})
	}
}

// Files is how many files are stored.
func (s *Server) Files() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.files)
}

func (s *Server) upload(r *http.Request, body []byte) (string, *refusal) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", wrong("file", "", "'file' is a required property")
	}
	form := multipart.NewReader(bytes.NewReader(body), params["boundary"])
	purpose, content := "", []byte(nil)
	for {
		part, err := form.NextPart()
		if err != nil {
			break
		}
		raw, err := io.ReadAll(part)
		if err != nil {
			break
		}
		switch part.FormName() {
		case "purpose":
			purpose = string(raw)
		case "file":
			content = raw
		}
	}
	if purpose != "batch" || content == nil {
		return "", wrong("purpose", "", "'purpose' and 'file' are required properties")
	}
	id := s.id("file-")
	s.mu.Lock()
	s.files[id] = content
	s.mu.Unlock()
	return id, nil
}

// fileBatches answers /v1/batches…
func (s *Server) fileBatches(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	id, action, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(r.URL.Path, "/v1/batches"), "/"), "/")
	if id == "" && r.Method == http.MethodPost {
		o, bad := s.readOpenAI(r, body)
		if bad == nil {
			var b *batch
			if b, bad = s.newFileBatch(o); bad == nil {
				writeJSON(w, http.StatusOK, s.fileBatch(b, "validating"))
				return
			}
		}
		fail(*bad)
		return
	}
	s.mu.Lock()
	b := s.batches[id]
	s.mu.Unlock()
	switch {
	case b == nil:
		fail(refusal{status: 404, kind: "invalid_request_error", message: "No batch found with id '" + id + "'."})
	case action == "cancel":
		b.canceled = true
		writeJSON(w, http.StatusOK, s.fileBatch(b, "cancelling"))
	case !b.asked:
		b.asked = true
		writeJSON(w, http.StatusOK, s.fileBatch(b, "in_progress"))
	default:
		writeJSON(w, http.StatusOK, s.fileBatch(b, "completed"))
	}
}

func (s *Server) fileBatch(b *batch, status string) object {
	o := object{
		"id": b.id, "object": "batch", "endpoint": "/v1/responses", "status": status, "input_file_id": b.input, "output_file_id": nil, "error_file_id": nil,
		"completion_window": "24h", "expires_at": b.made.Unix() + 86400, "request_counts": object{"total": len(b.lines), "completed": 0, "failed": 0},
	}
	if status == "completed" {
		o["output_file_id"] = b.file
		o["request_counts"] = object{"total": len(b.lines), "completed": len(b.lines), "failed": 0}
	}
	return o
}

func (s *Server) newFileBatch(o object) (*batch, *refusal) {
	s.mu.Lock()
	content, ok := s.files[text(o["input_file_id"])]
	s.mu.Unlock()
	endpoint := text(o["endpoint"])
	switch {
	case !ok:
		return nil, wrong("input_file_id", "", "Invalid input file.")
	case endpoint != "/v1/responses" && endpoint != "/v1/chat/completions":
		return nil, wrong("endpoint", "invalid_value", "Invalid value: '%s'.", endpoint)
	case text(o["completion_window"]) != "24h":
		return nil, wrong("completion_window", "invalid_value", "Invalid value: '%s'. Supported values are: '24h'.", text(o["completion_window"]))
	}
	b := &batch{id: s.id("batch_"), made: s.cfg.Now().UTC(), input: text(o["input_file_id"]), file: s.id("file-")}
	ids := map[string]bool{}
	for line := range bytes.Lines(content) {
		item, err := parse(line)
		id, request := text(item["custom_id"]), obj(item["body"])
		if err != nil || id == "" || ids[id] || text(item["method"]) != http.MethodPost || text(item["url"]) != endpoint || request["stream"] != nil {
			return nil, wrong("input_file_id", "invalid_json_line", "This line is not a valid request.")
		}
		ids[id] = true
		b.lines = append(b.lines, s.batchLine(id, request))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches[b.id] = b
	s.files[b.file] = bytes.Join(b.lines, []byte("\n"))
	return b, nil
}

func (s *Server) batchLine(id string, request object) []byte {
	response := object{"status_code": http.StatusOK, "request_id": s.id("req_")}
	if bad := s.checkResponse(request); bad != nil {
		response["status_code"], response["body"] = bad.status, errorOpenAI(*bad)
	} else {
		seen := seenResponse(request)
		seen.Batch = true
		reply := s.next(seen)
		u := s.used(nil, request, reply)
		response["body"] = s.wholeResponse(s.id("resp_"), seen.Model, reply.statusResponse(), reply, s.items(reply), &u)
		if f := reply.Fault; f != nil {
			response["status_code"], response["body"] = f.Status, errorOpenAI(refusal{kind: f.Type, message: f.Message})
		}
	}
	line, err := json.Marshal(object{"custom_id": id, "response": response, "error": nil})
	if err != nil {
		panic(err) // our own values always marshal
	}
	return line
}
