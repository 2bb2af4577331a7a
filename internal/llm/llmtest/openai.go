package llmtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// gpt is what the fake knows of a model.
type gpt struct {
	context int64
	plain   bool // does not think
	noChat  bool // takes no tools over chat completions while it thinks
}

func gpts() map[string]gpt {
	const big = 1_050_000
	return map[string]gpt{
		"gpt-6.1-sol": {context: big, noChat: true}, "gpt-6-sol": {context: big, noChat: true}, "gpt-6-luna": {context: big, noChat: true},
		"gpt-5.6-luna": {context: big, noChat: true}, "gpt-5-mini": {context: 400_000}, "gpt-4.1-mini": {context: 1_047_576, plain: true},
	}
}

var (
	functionName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
	shortDay     = regexp.MustCompile(`-\d{4}-\d{2}-\d{2}$`)
)

func wrong(param, code, format string, args ...any) *refusal {
	return &refusal{status: 400, kind: "invalid_request_error", param: param, code: code, message: fmt.Sprintf(format, args...)}
}

// openai answers everything of OpenAI.
func (s *Server) openai(w http.ResponseWriter, r *http.Request, body []byte) {
	w.Header().Set("X-Request-Id", s.id("req_"))
	fail := func(x refusal) { failOpenAI(w, x) }
	key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case s.cfg.Own && r.URL.Path != "/v1/chat/completions":
		http.Error(w, "404 page not found", http.StatusNotFound)
		return
	case s.cfg.Own:
	case key == "":
		fail(refusal{status: 401, kind: "invalid_request_error", message: "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."})
		return
	case key != s.cfg.Key:
		fail(refusal{status: 401, kind: "invalid_request_error", code: "invalid_api_key", message: "Incorrect API key provided. You can find your API key at https://platform.openai.com/account/api-keys."})
		return
	}
	switch path := r.URL.Path; {
	case path == "/v1/chat/completions" && r.Method == http.MethodPost:
		s.chat(w, r, body, fail)
	case path == "/v1/responses" && r.Method == http.MethodPost:
		s.response(w, r, body, fail)
	case strings.HasPrefix(path, "/v1/files"):
		s.file(w, r, body, fail)
	case strings.HasPrefix(path, "/v1/batches"):
		s.fileBatches(w, r, body, fail)
	default:
		fail(refusal{status: 405, kind: "invalid_request_error", code: "method_not_supported", message: "Not allowed to " + r.Method + " on " + path})
	}
}

func failOpenAI(w http.ResponseWriter, x refusal) {
	if x.after != "" {
		w.Header().Set("Retry-After", x.after)
	}
	if x.kind == "" {
		x.kind = "invalid_request_error"
		switch {
		case x.status == http.StatusTooManyRequests:
			x.kind, x.code = "requests", "rate_limit_exceeded"
		case x.status >= http.StatusInternalServerError:
			x.kind = "server_error"
		}
	}
	if x.kind == "insufficient_quota" {
		x.code = "insufficient_quota"
	}
	if x.message == "" {
		x.message = http.StatusText(x.status)
	}
	writeJSON(w, x.status, errorOpenAI(x))
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func errorOpenAI(x refusal) object {
	return object{"error": object{"message": x.message, "type": x.kind, "param": orNull(x.param), "code": orNull(x.code)}}
}

// model finds a model; servers of one's own have every one.
func (s *Server) model(o object) (gpt, *refusal) {
	name, ok := o["model"].(string)
	if !ok || name == "" {
		return gpt{}, wrong("", "", "you must provide a model parameter")
	}
	m, ok := gpts()[shortDay.ReplaceAllString(name, "")]
	if !ok && s.cfg.Own {
		return gpt{context: 32_768, plain: true}, nil
	}
	if !ok {
		return m, &refusal{status: 404, kind: "invalid_request_error", code: "model_not_found", message: "The model `" + name + "` does not exist or you do not have access to it."}
	}
	return m, nil
}

// checkFunction checks a tool; at is its place.
func checkFunction(f object, at string, names map[string]bool) *refusal {
	name := text(f["name"])
	switch {
	case f["name"] == nil:
		return wrong(at+".name", "missing_required_parameter", "Missing required parameter: '%s.name'.", at)
	case !functionName.MatchString(name):
		return wrong(at+".name", "invalid_value", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
	case names[name]:
		return wrong(at+".name", "invalid_value", "Duplicate tool name '%s'.", name)
	}
	names[name] = true
	schema := obj(f["parameters"])
	if strict, _ := f["strict"].(bool); strict {
		if schema == nil {
			return wrong(at+".parameters", "invalid_function_parameters", "Invalid schema for function '%s': schema is required in strict mode.", name)
		}
		n := 0
		if problem := openAISchema(schema, nil, 1, &n); problem != "" {
			return wrong(at+".parameters", "invalid_function_parameters", "Invalid schema for function '%s': %s", name, problem)
		}
	}
	if schema != nil && !slices.Contains(typesOf(schema), "object") {
		return wrong(at+".parameters", "invalid_function_parameters", "Invalid schema for function '%s': schema must be a JSON Schema of 'type: \"object\"', got 'type: %q'.", name, text(schema["type"]))
	}
	return nil
}

// checkChoice checks tool_choice; nested says that its name stands in function.
func checkChoice(o object, names map[string]bool, nested bool) *refusal {
	choice, ok := o["tool_choice"]
	if !ok {
		return nil
	}
	if len(names) == 0 {
		return wrong("tool_choice", "", "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified.")
	}
	if word, ok := choice.(string); ok {
		if !slices.Contains([]string{"auto", "none", "required"}, word) {
			return wrong("tool_choice", "invalid_value", "Invalid value: '%s'. Supported values are: 'none', 'auto', and 'required'.", word)
		}
		return nil
	}
	name := text(obj(choice)["name"])
	if nested {
		name = text(obj(obj(choice)["function"])["name"])
	}
	if !names[name] {
		return wrong("tool_choice", "", "Invalid value for 'tool_choice': no function named '%s' was specified in the 'tools' parameter.", name)
	}
	return nil
}

const maxFunctions = 128

// checkChat is what chat completions refuse.
func (s *Server) checkChat(o object) *refusal {
	if extra := unknown(o, "model", "messages", "tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens", "reasoning_effort", "stream", "stream_options",
		"store", "temperature", "top_p", "n", "stop", "parallel_tool_calls", "user", "metadata", "seed", "verbosity", "prompt_cache_key", "safety_identifier", "service_tier"); extra != "" {
		return wrong(extra, "unknown_parameter", "Unknown parameter: '%s'.", extra)
	}
	model, bad := s.model(o)
	if bad != nil {
		return bad
	}
	turns := list(o["messages"])
	if len(turns) == 0 {
		return wrong("messages", "empty_array", "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	if bad := checkChatTurns(turns); bad != nil {
		return bad
	}
	names := map[string]bool{}
	tools := list(o["tools"])
	if o["tools"] != nil && len(tools) == 0 {
		return wrong("tools", "empty_array", "Invalid 'tools': empty array. Expected an array with minimum length 1, but got an empty array instead.")
	}
	if len(tools) > maxFunctions {
		return wrong("tools", "array_above_max_length", "Invalid 'tools': array too long. Expected an array with maximum length %d, but got an array with length %d instead.", maxFunctions, len(tools))
	}
	for i, t := range tools {
		if text(obj(t)["type"]) != "function" {
			return wrong(fmt.Sprintf("tools[%d].type", i), "invalid_value", "Invalid value: '%s'. Supported values are: 'function' and 'custom'.", text(obj(t)["type"]))
		}
		if bad := checkFunction(obj(obj(t)["function"]), fmt.Sprintf("tools[%d].function", i), names); bad != nil {
			return bad
		}
	}
	if bad := checkChoice(o, names, true); bad != nil {
		return bad
	}
	streaming, _ := o["stream"].(bool)
	switch {
	case o["stream_options"] != nil && !streaming:
		return wrong("stream_options", "", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
	case o["max_tokens"] != nil && !model.plain:
		return wrong("max_tokens", "unsupported_parameter", "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.")
	case o["reasoning_effort"] != nil && model.plain && !s.cfg.Own:
		return wrong("reasoning_effort", "unsupported_parameter", "Unsupported parameter: 'reasoning_effort' is not supported with this model.")
	case model.noChat && len(tools) > 0 && text(o["reasoning_effort"]) != "none":
		// Seen with gpt-5.6: https://github.com/BerriAI/litellm/pull/34569
		return wrong("reasoning_effort", "", "Function tools with reasoning_effort are not supported for %s in /v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'.", text(o["model"]))
	}
	if format := obj(o["response_format"]); format != nil && text(format["type"]) == "json_schema" {
		js := obj(format["json_schema"])
		if bad := checkFormat(js, "response_format", "response_format"); bad != nil {
			return bad
		}
	}
	return checkLength(o, model)
}

func checkLength(o object, model gpt) *refusal {
	if n := tokens(len(textOf(o))); n > model.context {
		return wrong("messages", "context_length_exceeded", "This model's maximum context length is %d tokens. However, your messages resulted in %d tokens. Please reduce the length of the messages.", model.context, n)
	}
	return nil
}

// checkFormat checks the schema of an answer.
func checkFormat(f object, at, param string) *refusal {
	name := text(f["name"])
	if !functionName.MatchString(name) {
		return wrong(at+".name", "invalid_value", "Invalid '%s.name': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.", at)
	}
	schema := obj(f["schema"])
	if schema == nil {
		return wrong(at+".schema", "missing_required_parameter", "Missing required parameter: '%s.schema'.", at)
	}
	if strict, _ := f["strict"].(bool); strict {
		n := 0
		if problem := openAISchema(schema, nil, 1, &n); problem != "" {
			return wrong(param, "invalid_json_schema", "Invalid schema for response_format '%s': %s", name, problem)
		}
	}
	return nil
}

// checkChatTurns holds the messages to their roles and pairing.
func checkChatTurns(turns []any) *refusal {
	roles := []string{"system", "assistant", "user", "function", "tool", "developer"}
	var open []string
	since := -1
	unanswered := func() *refusal {
		return wrong(fmt.Sprintf("messages.[%d].role", since+1), "", "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. The following tool_call_ids did not have response messages: %s", strings.Join(open, ", "))
	}
	for i, t := range turns {
		turn, at := obj(t), fmt.Sprintf("messages[%d]", i)
		role := text(turn["role"])
		calls := list(turn["tool_calls"])
		switch {
		case !slices.Contains(roles, role):
			return wrong(at+".role", "invalid_value", "Invalid value: '%s'. Supported values are: 'system', 'assistant', 'user', 'function', 'tool', and 'developer'.", role)
		case role != "tool" && len(open) > 0:
			return unanswered()
		case turn["content"] == nil && (role != "assistant" || len(calls) == 0):
			return wrong(fmt.Sprintf("messages.[%d].content", i), "", "Invalid value for 'content': expected a string, got null.")
		case turn["tool_calls"] != nil && len(calls) == 0:
			return wrong(at+".tool_calls", "empty_array", "Invalid '%s.tool_calls': empty array. Expected an array with minimum length 1, but got an empty array instead.", at)
		}
		if role == "tool" {
			id := text(turn["tool_call_id"])
			k := slices.Index(open, id)
			if k < 0 {
				return wrong(fmt.Sprintf("messages.[%d].role", i), "", "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with 'tool_calls'.") //nolint:misspell // the service's own spelling
			}
			open = slices.Delete(open, k, k+1)
			continue
		}
		since = i
		for j, c := range calls {
			call, where := obj(c), fmt.Sprintf("%s.tool_calls[%d]", at, j)
			if _, isText := obj(call["function"])["arguments"].(string); text(call["type"]) != "function" || text(call["id"]) == "" || !isText {
				return wrong(where, "missing_required_parameter", "Missing required parameter: '%s.type', '.id' or '.function.arguments'.", where)
			}
			open = append(open, text(call["id"]))
		}
	}
	if len(open) > 0 {
		return unanswered()
	}
	return nil
}

func seenChat(o object) Seen {
	seen := Seen{Protocol: "chat", Model: text(o["model"])}
	seen.Stream, _ = o["stream"].(bool)
	for _, t := range list(o["messages"]) {
		turn := obj(t)
		switch said := textOf2(turn["content"]); text(turn["role"]) {
		case "system", "developer":
			seen.System += said
		case "tool":
			seen.Results = append(seen.Results, said)
		default:
			if said != "" {
				seen.Texts = append(seen.Texts, said)
			}
		}
	}
	for _, t := range list(o["tools"]) {
		seen.Tools = append(seen.Tools, text(obj(obj(t)["function"])["name"]))
	}
	if schema := obj(obj(obj(o["response_format"])["json_schema"])["schema"]); schema != nil {
		seen.Schema, _ = json.Marshal(schema)
	}
	return seen
}

func (r Reply) finishChat() string {
	switch {
	case r.Stop != "":
		return r.Stop
	case len(r.Calls) > 0:
		return "tool_calls"
	}
	return "stop"
}

func usageChat(u Usage) object {
	in := u.Input + u.CacheRead + u.CacheWrite
	return object{
		"prompt_tokens": in, "completion_tokens": u.Output, "total_tokens": in + u.Output,
		"prompt_tokens_details":     object{"cached_tokens": u.CacheRead, "cache_write_tokens": u.CacheWrite},
		"completion_tokens_details": object{"reasoning_tokens": u.Thinking},
	}
}

func (s *Server) callsChat(reply Reply) []object {
	var out []object
	for i, c := range reply.Calls {
		id := c.ID
		if id == "" {
			id = s.id("call_")
		}
		out = append(out, object{"index": i, "id": id, "type": "function", "function": object{"name": c.Name, "arguments": c.Args}})
	}
	return out
}

// chat answers one request.
func (s *Server) chat(w http.ResponseWriter, r *http.Request, body []byte, fail func(refusal)) {
	o, bad := s.readOpenAI(r, body)
	if bad == nil {
		bad = s.checkChat(o)
	}
	if bad != nil {
		fail(*bad)
		return
	}
	seen := seenChat(o)
	reply := s.next(seen)
	if s.before(w, r, reply.Fault, fail) {
		return
	}
	u := s.used(nil, o, reply)
	id := s.id("chatcmpl-")
	if !seen.Stream {
		message := object{"role": "assistant", "content": orNull(reply.Text), "refusal": nil}
		if reply.Refusal {
			message["content"], message["refusal"] = nil, reply.Text
		}
		if calls := s.callsChat(reply); calls != nil {
			message["tool_calls"] = calls
		}
		writeJSON(w, http.StatusOK, object{
			"id": id, "object": "chat.completion", "created": s.cfg.Now().Unix(), "model": seen.Model,
			"choices": []object{{"index": 0, "message": message, "finish_reason": reply.finishChat()}}, "usage": usageChat(u),
		})
		return
	}
	withUsage, _ := obj(o["stream_options"])["include_usage"].(bool)
	out := s.stream(w, r, reply.Fault, func(o *stream, f Fault) {
		o.event("", errorOpenAI(refusal{kind: "server_error", message: f.Message}))
	})
	s.streamChat(out, id, seen.Model, reply, u, withUsage)
}

func (s *Server) readOpenAI(r *http.Request, body []byte) (object, *refusal) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		return nil, wrong("", "unsupported_content_type", "Unsupported content type: '%s'. This API method only accepts 'application/json' requests.", r.Header.Get("Content-Type"))
	}
	o, err := parse(body)
	if err != nil {
		return nil, wrong("", "", "We could not parse the JSON body of your request.")
	}
	return o, nil
}

func (s *Server) streamChat(out *stream, id, model string, reply Reply, u Usage, withUsage bool) {
	chunk := func(delta object, finish any) object {
		c := object{"id": id, "object": "chat.completion.chunk", "created": s.cfg.Now().Unix(), "model": model, "choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}}}
		if withUsage {
			c["usage"] = nil
		}
		return c
	}
	out.event("", chunk(object{"role": "assistant", "content": "", "refusal": nil}, nil))
	for _, p := range pieces(reply.Thinking, reply.Piece) {
		out.event("", chunk(object{"reasoning_content": p}, nil))
	}
	field := "content"
	if reply.Refusal {
		field = "refusal"
	}
	for _, p := range pieces(reply.Text, reply.Piece) {
		out.event("", chunk(object{field: p}, nil))
	}
	for out.fault.Endless && !out.over && out.r.Context().Err() == nil {
		out.event("", chunk(object{"content": strings.Repeat("again and again ", 64)}, nil))
	}
	for i, c := range s.callsChat(reply) {
		f := obj(c["function"])
		out.event("", chunk(object{"tool_calls": []object{{"index": i, "id": c["id"], "type": "function", "function": object{"name": f["name"], "arguments": ""}}}}, nil))
		for _, p := range pieces(text(f["arguments"]), reply.Piece) {
			out.event("", chunk(object{"tool_calls": []object{{"index": i, "function": object{"arguments": p}}}}, nil))
		}
	}
	out.event("", chunk(object{}, reply.finishChat()))
	if withUsage {
		out.event("", object{"id": id, "object": "chat.completion.chunk", "created": s.cfg.Now().Unix(), "model": model, "choices": []any{}, "usage": usageChat(u)})
	}
	out.raw("data: [DONE]\n\n")
}
