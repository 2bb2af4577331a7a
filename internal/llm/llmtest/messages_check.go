package llmtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// claude is what the fake knows of a model.
type claude struct {
	context, output int64
	always          bool // thinks always, so that no tool can be forced
	old             bool // of before thinking by itself: takes a prefill and temperatures
}

func claudes() map[string]claude {
	const context, output = 1_000_000, 128_000
	return map[string]claude{
		"claude-sonnet-5-5": {context: context, output: output}, "claude-haiku-5-5": {context: context, output: output},
		"claude-opus-5-5": {context: context, output: output, always: true}, "claude-fable-5-1": {context: context, output: output, always: true},
		"claude-sonnet-5": {context: context, output: output}, "claude-opus-5": {context: context, output: output}, "claude-opus-4-8": {context: context, output: output},
		"claude-haiku-4-5": {context: 200_000, output: 64_000, old: true},
	}
}

var (
	toolName = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,128}$`)
	wordID   = regexp.MustCompile(`^[a-zA-Z0-9_-]+$`)
	dayOf    = regexp.MustCompile(`-\d{8}$`)
)

func invalid(format string, args ...any) *refusal {
	return &refusal{status: 400, kind: "invalid_request_error", message: fmt.Sprintf(format, args...)}
}

// checkMessages is what the Messages API refuses.
func (s *Server) checkMessages(o object, counting bool) *refusal {
	known := []string{"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"}
	if !counting {
		known = append(known, "max_tokens", "stream", "temperature", "top_p", "top_k", "stop_sequences", "metadata", "service_tier", "inference_geo", "container", "speed", "diagnostics")
	}
	if extra := unknown(o, known...); extra != "" {
		return invalid("%s: Extra inputs are not permitted", extra)
	}
	name, ok := o["model"].(string)
	if !ok {
		return invalid("model: Field required")
	}
	model, ok := claudes()[dayOf.ReplaceAllString(name, "")]
	if !ok {
		return &refusal{status: 404, kind: "not_found_error", message: "model: " + name}
	}
	if !counting {
		if r := checkMax(o, name, model); r != nil {
			return r
		}
	}
	if !model.old && (o["temperature"] != nil || o["top_p"] != nil || o["top_k"] != nil) {
		return invalid("`temperature`, `top_p` and `top_k` are not supported with this model.")
	}
	counts := &strictCounts{}
	marks := 0
	for _, check := range []func() *refusal{
		func() *refusal { return checkSystem(o["system"], &marks) },
		func() *refusal { return checkTools(o, model, counts, &marks) },
		func() *refusal { return checkOutput(o, counts) },
		func() *refusal { return s.checkTurns(o, model, &marks) },
	} {
		if r := check(); r != nil {
			return r
		}
	}
	const maxMarks, maxUnion, maxOptional = 4, 16, 24
	switch {
	case marks > maxMarks:
		return invalid("A maximum of 4 blocks with cache_control may be provided. Found %d.", marks)
	case counts.union > maxUnion:
		return invalid("Schemas contains too many parameters with union types (%d parameters with type arrays or anyOf). This causes exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit: 16 parameters with unions).", counts.union)
	case counts.optional > maxOptional:
		return invalid("Schemas contains too many optional parameters (%d), which would make grammar compilation inefficient. Reduce the number of optional parameters in your tool schemas (limit: 24).", counts.optional)
	}
	return nil
}

func checkMax(o object, name string, model claude) *refusal {
	n, ok := o["max_tokens"].(json.Number)
	if !ok {
		return invalid("max_tokens: Field required")
	}
	limit, err := n.Int64()
	switch {
	case err != nil:
		return invalid("max_tokens: Input should be a valid integer")
	case limit < 0:
		return invalid("max_tokens: Input should be greater than or equal to 0")
	case limit > model.output:
		return invalid("max_tokens: %d > %d, which is the maximum allowed number of output tokens for %s", limit, model.output, name)
	}
	return nil
}

func checkMark(block object, where string, marks *int) *refusal {
	mark, ok := block["cache_control"]
	if !ok {
		return nil
	}
	o := obj(mark)
	if text(o["type"]) != "ephemeral" {
		return invalid("%s.cache_control.type: Input should be 'ephemeral'", where)
	}
	if ttl, ok := o["ttl"]; ok && text(ttl) != "5m" && text(ttl) != "1h" {
		return invalid("%s.cache_control.ttl: Input should be '5m' or '1h'", where)
	}
	*marks++
	return nil
}

func checkText(block object, where, whose string, marks *int) *refusal {
	if extra := unknown(block, "type", "text", "cache_control", "citations"); extra != "" {
		return invalid("%s.text.%s: Extra inputs are not permitted", where, extra)
	}
	said, ok := block["text"].(string)
	switch {
	case !ok:
		return invalid("%s.text.text: Field required", where)
	case said == "" && block["cache_control"] != nil:
		return invalid("%s.text: cache_control cannot be set for empty text blocks", where)
	case said == "":
		return invalid("%s: text content blocks must be non-empty", whose)
	case strings.TrimSpace(said) == "":
		return invalid("%s: text content blocks must contain non-whitespace text", whose)
	}
	return checkMark(block, where+".text", marks)
}

func checkSystem(v any, marks *int) *refusal {
	if said, ok := v.(string); ok && said == "" || v == nil {
		return nil
	}
	for i, b := range list(v) {
		block := obj(b)
		if text(block["type"]) != "text" {
			return invalid("system.%d.type: Input should be 'text'", i)
		}
		if r := checkText(block, fmt.Sprintf("system.%d", i), "system", marks); r != nil {
			return r
		}
	}
	return nil
}

func checkTools(o object, model claude, counts *strictCounts, marks *int) *refusal {
	names := map[string]bool{}
	strict := 0
	for i, t := range list(o["tools"]) {
		tool, where := obj(t), fmt.Sprintf("tools.%d.custom", i)
		if extra := unknown(tool, "name", "description", "input_schema", "cache_control", "type", "strict", "eager_input_streaming", "defer_loading", "allowed_callers", "input_examples"); extra != "" {
			return invalid("%s.%s: Extra inputs are not permitted", where, extra)
		}
		name := text(tool["name"])
		schema := obj(tool["input_schema"])
		switch {
		case tool["name"] == nil:
			return invalid("%s.name: Field required", where)
		case !toolName.MatchString(name):
			return invalid("%s.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", where)
		case names[name]:
			return invalid("tools: Tool names must be unique.")
		case schema == nil:
			return invalid("%s.input_schema: Field required", where)
		case text(schema["type"]) == "":
			return invalid("%s.input_schema.type: Field required", where)
		case text(schema["type"]) != "object":
			return invalid("%s.input_schema.type: Input should be 'object'", where)
		}
		names[name] = true
		if on, _ := tool["strict"].(bool); on {
			strict++
			if problem := anthropicSchema(schema, counts); problem != "" {
				return invalid("tools.%d.custom: %s", i, problem)
			}
		}
		if r := checkMark(tool, where, marks); r != nil {
			return r
		}
	}
	const maxStrict = 20
	if strict > maxStrict {
		return invalid("Too many strict tools (%d). The maximum number of strict tools supported is %d.", strict, maxStrict)
	}
	choice := obj(o["tool_choice"])
	if choice == nil {
		return nil
	}
	kind := text(choice["type"])
	switch {
	case !slices.Contains([]string{"auto", "any", "tool", "none"}, kind):
		return invalid("tool_choice: Input tag '%s' found using 'type' does not match any of the expected tags: 'auto', 'any', 'tool', 'none'", kind)
	case len(names) == 0:
		return invalid("tool_choice: tool_choice may only be specified while providing tools")
	case kind == "tool" && !names[text(choice["name"])]:
		return invalid("tool_choice: Tool '%s' not found in provided tools", text(choice["name"]))
	case (kind == "any" || kind == "tool") && model.always:
		return invalid("Thinking may not be enabled when tool_choice forces tool use.")
	}
	return nil
}

func checkOutput(o object, counts *strictCounts) *refusal {
	config := obj(o["output_config"])
	if config == nil {
		return nil
	}
	if extra := unknown(config, "effort", "format", "task_budget"); extra != "" {
		return invalid("output_config.%s: Extra inputs are not permitted", extra)
	}
	if e := config["effort"]; e != nil && !slices.Contains([]string{"low", "medium", "high", "xhigh", "max"}, text(e)) {
		return invalid("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
	}
	format := obj(config["format"])
	if format == nil {
		return nil
	}
	if text(format["type"]) != "json_schema" {
		return invalid("output_config.format.type: Input should be 'json_schema'")
	}
	schema := obj(format["schema"])
	if schema == nil {
		return invalid("output_config.format.schema: Field required")
	}
	if problem := anthropicSchema(schema, counts); problem != "" {
		return invalid("output_config.format.schema: %s", problem)
	}
	return nil
}

// checkTurns holds the messages to their order and pairing.
func (s *Server) checkTurns(o object, model claude, marks *int) *refusal {
	turns, ok := o["messages"].([]any)
	const maxTurns = 100_000
	switch {
	case !ok:
		return invalid("messages: Field required")
	case len(turns) == 0:
		return invalid("messages: at least one message is required")
	case len(turns) > maxTurns:
		return invalid("messages: too many messages")
	}
	open := []string{}
	ids := map[string]bool{}
	for i, m := range turns {
		turn := obj(m)
		role := text(turn["role"])
		switch {
		case role != "user" && role != "assistant":
			return invalid("messages.%d.role: Input should be 'user' or 'assistant'", i)
		case i == 0 && role != "user":
			return invalid("messages: first message must use the \"user\" role")
		case unknown(turn, "role", "content") != "":
			return invalid("messages.%d.%s: Extra inputs are not permitted", i, unknown(turn, "role", "content"))
		}
		blocks, ok := turn["content"].([]any)
		if said, isText := turn["content"].(string); isText {
			blocks, ok = []any{object{"type": "text", "text": said}}, true
		}
		if !ok {
			return invalid("messages.%d.content: Field required", i)
		}
		if len(blocks) == 0 {
			return invalid("messages.%d: all messages must have non-empty content except for the optional final assistant message", i)
		}
		calls, r := s.checkBlocks(blocks, i, role, open, ids, marks)
		if r != nil {
			return r
		}
		open = calls
	}
	last := obj(turns[len(turns)-1])
	if len(open) > 0 {
		return invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", len(turns)-1, strings.Join(open, ", "))
	}
	if text(last["role"]) == "assistant" && !model.old {
		return invalid("This model does not support assistant message prefill. The conversation must end with a user message.")
	}
	if n := tokens(len(textOf(o))); n > model.context {
		return invalid("prompt is too long: %d tokens > %d maximum", n, model.context)
	}
	return nil
}

// checkBlocks checks the content of a turn and returns the tool calls it leaves
// open.
func (s *Server) checkBlocks(blocks []any, turn int, role string, open []string, ids map[string]bool, marks *int) (calls []string, bad *refusal) {
	answered := map[string]bool{}
	for j, b := range blocks {
		block, where := obj(b), fmt.Sprintf("messages.%d.content.%d", turn, j)
		kind := text(block["type"])
		switch {
		case kind == "text":
			if r := checkText(block, where, "messages", marks); r != nil {
				return nil, r
			}
		case kind == "tool_use" && role == "assistant":
			id := text(block["id"])
			switch {
			case !wordID.MatchString(id):
				return nil, invalid("%s.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'", where)
			case ids[id]:
				return nil, invalid("messages: `tool_use` ids must be unique")
			case !toolName.MatchString(text(block["name"])):
				return nil, invalid("%s.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{1,128}$'", where)
			case obj(block["input"]) == nil:
				return nil, invalid("%s.tool_use.input: Input should be a valid dictionary", where)
			}
			ids[id] = true
			calls = append(calls, id)
		case kind == "tool_result" && role == "user":
			id := text(block["tool_use_id"])
			switch {
			case !slices.Contains(open, id):
				return nil, invalid("messages.%d.content.%d: unexpected `tool_use_id` found in `tool_result` blocks: %s. Each `tool_result` block must have a corresponding `tool_use` block in the previous message.", turn, j, id)
			case answered[id]:
				return nil, invalid("messages.%d.content.%d: each tool_use must have a single result. Found multiple `tool_result` blocks with id: %s", turn, j, id)
			case j > 0 && text(obj(blocks[j-1])["type"]) != "tool_result":
				return nil, invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", turn-1, id)
			}
			for k, c := range list(block["content"]) {
				if text(obj(c)["type"]) == "text" && text(obj(c)["text"]) == "" {
					return nil, invalid("%s.tool_result.content.%d: text content blocks must be non-empty", where, k)
				}
			}
			answered[id] = true
			if r := checkMark(block, where+".tool_result", marks); r != nil {
				return nil, r
			}
		case kind == "thinking" && role == "assistant":
			if !s.knows(text(block["signature"]) + "\x00" + text(block["thinking"])) {
				return nil, invalid("%s: Invalid `signature` in `thinking` block", where)
			}
		case kind == "redacted_thinking" && role == "assistant":
			if !s.knows(text(block["data"])) {
				return nil, invalid("%s: Invalid `data` in `redacted_thinking` block", where)
			}
		case kind == "tool_result" || kind == "tool_use" || kind == "thinking":
			return nil, invalid("messages.%d: `%s` blocks are not allowed in `%s` messages", turn, kind, role)
		default:
			return nil, invalid("%s: Input tag '%s' found using 'type' does not match any of the expected tags", where, kind)
		}
	}
	var missing []string
	for _, id := range open {
		if !answered[id] {
			missing = append(missing, id)
		}
	}
	sort.Strings(missing)
	if len(missing) > 0 {
		return nil, invalid("messages.%d: `tool_use` ids were found without `tool_result` blocks immediately after: %s. Each `tool_use` block must have a corresponding `tool_result` block in the next message.", turn-1, strings.Join(missing, ", "))
	}
	return calls, nil
}

// textOf is every text of a value.
func textOf(v any) string {
	var b strings.Builder
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			b.WriteString(v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case object:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(v)
	return b.String()
}
