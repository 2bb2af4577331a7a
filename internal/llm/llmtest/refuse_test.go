package llmtest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/llm/llmtest"
)

// post sends a body and returns status and answer.
func post(t *testing.T, url, key, body string, more ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Api-Key", key)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Anthropic-Version", "2023-06-01")
	for i := 0; i+1 < len(more); i += 2 {
		req.Header.Del(more[i])
		if more[i+1] != "" {
			req.Header.Set(more[i], more[i+1])
		}
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

// change is a base request with one thing wrong: from is replaced by to.
type change struct {
	name, from, to string
	status         int
	says           string
}

func refuse(t *testing.T, url, base string, changes []change) {
	t.Helper()
	if status, said := post(t, url, llmtest.DefaultKey, base); status != http.StatusOK {
		t.Fatalf("the base request is refused: %d %s", status, said)
	}
	for _, c := range changes {
		if c.from != "" && !strings.Contains(base, c.from) {
			t.Errorf("%s: the base request has no %s", c.name, c.from)
			continue
		}
		body := strings.Replace(base, c.from, c.to, 1)
		if c.from == "" {
			body = c.to
		}
		status, said := post(t, url, llmtest.DefaultKey, body)
		var envelope struct {
			Error struct{ Message, Type string }
		}
		if err := json.Unmarshal([]byte(said), &envelope); err != nil || envelope.Error.Type == "" {
			t.Errorf("%s: no error of the API: %s", c.name, said)
		}
		if status != c.status || !strings.Contains(envelope.Error.Message, c.says) {
			t.Errorf("%s: %d %s, want %d with %q", c.name, status, said, c.status, c.says)
		}
	}
}

const messagesBase = `{"model":"claude-sonnet-5-5","max_tokens":100,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],` +
	`"tools":[{"name":"look","description":"d","strict":true,"input_schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],` +
	`"tool_choice":{"type":"auto"},"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}},` +
	`"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[{"type":"text","text":"I look."},{"type":"tool_use","id":"t1","name":"look","input":{"a":"b"}},{"type":"tool_use","id":"t2","name":"look","input":{}}]},` +
	`{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"text","text":"r"}]},{"type":"tool_result","tool_use_id":"t2","is_error":true},{"type":"text","text":"go on"}]}]}`

func TestMessagesRefuses(t *testing.T) {
	s := llmtest.Start(llmtest.Config{})
	defer s.Close()
	url := s.AnthropicURL() + "/v1/messages"
	mark := `"cache_control":{"type":"ephemeral"}`
	unions := strings.TrimSuffix(strings.Repeat(`{"type":["string","null"]},`, 17), ",")
	refuse(t, url, messagesBase, []change{
		{"not JSON", "", "{", 400, "not valid JSON"},
		{"no max_tokens", `"max_tokens":100,`, "", 400, "max_tokens: Field required"},
		{"max_tokens too large", `100,`, "900000,", 400, "maximum allowed number of output tokens"},
		{"no model", `"model":"claude-sonnet-5-5",`, "", 400, "model: Field required"},
		{"unknown model", "claude-sonnet-5-5", "claude-x", 404, "model: claude-x"},
		{"unknown field", `"max_tokens"`, `"store":false,"max_tokens"`, 400, "store: Extra inputs are not permitted"},
		{"temperature", `"max_tokens"`, `"temperature":0.2,"max_tokens"`, 400, "temperature"},
		{"first by the assistant", `{"role":"user","content":"hi"},`, "", 400, "first message must use the \"user\" role"},
		{"other role", `{"role":"user","content":"hi"}`, `{"role":"system","content":"hi"}`, 400, "messages.0.role"},
		{"empty text", `"content":"hi"`, `"content":""`, 400, "text content blocks must be non-empty"},
		{"white text", `"content":"hi"`, `"content":" \n"`, 400, "non-whitespace"},
		{"no content", `"content":"hi"`, `"content":[]`, 400, "non-empty content"},
		{"no result", `{"type":"tool_result","tool_use_id":"t2","is_error":true},`, "", 400, "`tool_use` ids were found without `tool_result` blocks immediately after: t2"},
		{"result of nothing", `"tool_use_id":"t2"`, `"tool_use_id":"t9"`, 400, "unexpected `tool_use_id`"},
		{"result twice", `"tool_use_id":"t2"`, `"tool_use_id":"t1"`, 400, "single result"},
		{"text before results", `[{"type":"tool_result","tool_use_id":"t1"`, `[{"type":"text","text":"x"},{"type":"tool_result","tool_use_id":"t1"`, 400, "without `tool_result` blocks"},
		{"id twice", `"id":"t2"`, `"id":"t1"`, 400, "must be unique"},
		{"odd id", `"id":"t2"`, `"id":"t 2"`, 400, "should match pattern"},
		{"input no object", `"input":{}`, `"input":"{}"`, 400, "valid dictionary"},
		{"call by the user", `"content":"hi"`, `"content":[{"type":"tool_use","id":"z","name":"look","input":{}}]`, 400, "not allowed in `user` messages"},
		{"empty result text", `"text":"r"`, `"text":""`, 400, "must be non-empty"},
		{"forged thought", `{"type":"text","text":"I look."}`, `{"type":"thinking","thinking":"x","signature":"y"}`, 400, "Invalid `signature`"},
		{"prefill", `{"type":"text","text":"go on"}]}]`, `{"type":"text","text":"go on"}]},{"role":"assistant","content":"{"}]`, 400, "prefill"},
		{"ends with a call", `{"type":"text","text":"go on"}]}]`, `{"type":"text","text":"go on"}]},{"role":"assistant","content":[{"type":"tool_use","id":"t3","name":"look","input":{}}]}]`, 400, "without `tool_result`"},
		{"tool without schema", `"input_schema":`, `"parameters":`, 400, "Extra inputs"},
		{"tool name", `"name":"look","description"`, `"name":"look it","description"`, 400, "should match pattern"},
		{"tool twice", `"tools":[`, `"tools":[{"name":"look","input_schema":{"type":"object"}},`, 400, "unique"},
		{"choice of nothing", `{"type":"auto"}`, `{"type":"tool","name":"other"}`, 400, "not found in provided tools"},
		{"OpenAI's choice", `{"type":"auto"}`, `{"type":"required"}`, 400, "tool_choice"},
		{"effort", `"low"`, `"none"`, 400, "effort"},
		{"open object", `,"additionalProperties":false}}}`, `}}}`, 400, "additionalProperties"},
		{"limits of numbers", `{"type":"integer"}`, `{"type":"integer","minimum":1,"maximum":2}`, 400, "properties maximum, minimum are not supported"},
		{"limits of strings", `{"type":"string"}`, `{"type":"string","maxLength":5}`, 400, "maxLength"},
		{"limits of arrays", `{"type":"integer"}`, `{"type":"array","items":{"type":"string"},"minItems":2}`, 400, "minItems"},
		{"five marks", `"messages":[`, `"messages":[{"role":"user","content":[` + strings.TrimSuffix(strings.Repeat(`{"type":"text","text":"x",`+mark+`},`, 4), ",") + `]},`, 400, "A maximum of 4 blocks"},
		{"mark", mark, `"cache_control":{"type":"forever"}`, 400, "ephemeral"},
		{"many unions", `{"type":"integer"}`, `{"anyOf":[` + unions + `]}`, 400, "union types"},
		{"too long", `"content":"hi"`, `"content":"` + strings.Repeat("x", 4_100_000) + `"`, 400, "prompt is too long"},
	})
	always := strings.Replace(strings.Replace(messagesBase, "claude-sonnet-5-5", "claude-opus-5-5", 1), `{"type":"auto"}`, `{"type":"any"}`, 1)
	if status, said := post(t, url, llmtest.DefaultKey, always); status != 400 || !strings.Contains(said, "forces tool use") {
		t.Errorf("forced tool: %d %s", status, said)
	}
	for name, c := range map[string]struct {
		key, header, value string
		status             int
	}{
		"no key": {"", "X-Api-Key", "", 401}, "wrong key": {"wrong", "", "", 401}, "no version": {llmtest.DefaultKey, "Anthropic-Version", "", 400},
		"odd version": {llmtest.DefaultKey, "Anthropic-Version", "2030-01-01", 400}, "no type": {llmtest.DefaultKey, "Content-Type", "text/plain", 400},
	} {
		if status, said := post(t, url, c.key, messagesBase, c.header, c.value); status != c.status {
			t.Errorf("%s: %d %s", name, status, said)
		}
	}
	if status, _ := post(t, url, llmtest.DefaultKey, strings.Repeat(" ", 33<<20)); status != 413 {
		t.Errorf("size: %d", status)
	}
	if got := s.Requests(); !bytes.Equal(got[0].Body, []byte(messagesBase)) || !bytes.Contains(got[0].Bytes(), []byte("X-Api-Key: "+llmtest.DefaultKey)) {
		t.Error("requests are not kept as they came")
	}
}

const chatBase = `{"model":"gpt-4.1-mini","max_tokens":50,"stream":true,"stream_options":{"include_usage":true},"tool_choice":"auto",` +
	`"tools":[{"type":"function","function":{"name":"look","strict":true,"parameters":{"type":"object","properties":{"a":{"type":["string","null"]}},"required":["a"],"additionalProperties":false}}}],` +
	`"response_format":{"type":"json_schema","json_schema":{"name":"out","strict":true,"schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}},` +
	`"messages":[{"role":"system","content":"s"},{"role":"user","content":"hi"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"r"}]}`

func TestChatRefuses(t *testing.T) {
	s := llmtest.Start(llmtest.Config{})
	defer s.Close()
	url := s.OpenAIURL() + "/chat/completions"
	refuse(t, url, chatBase, []change{
		{"not JSON", "", "{", 400, "could not parse"},
		{"unknown field", `"stream":true`, `"stream":true,"system":"x"`, 400, "Unknown parameter: 'system'"},
		{"no model", `"model":"gpt-4.1-mini",`, "", 400, "must provide a model"},
		{"unknown model", "gpt-4.1-mini", "gpt-x", 404, "does not exist"},
		{"no messages", `"messages":[`, `"messages":[],"metadata":[`, 400, "empty array"},
		{"other role", `"role":"user"`, `"role":"human"`, 400, "Invalid value: 'human'"},
		{"null", `"content":"hi"`, `"content":null`, 400, "got null"},
		{"no result", `,{"role":"tool","tool_call_id":"c1","content":"r"}`, "", 400, "must be followed by tool messages"},
		{"user between", `{"role":"tool"`, `{"role":"user","content":"x"},{"role":"tool"`, 400, "must be followed by tool messages"},
		{"result of nothing", `"tool_call_id":"c1"`, `"tool_call_id":"c2"`, 400, "must be a response to a pre"},
		{"arguments", `"arguments":"{}"`, `"arguments":{}`, 400, "Missing required parameter"},
		{"options without stream", `"stream":true`, `"stream":false`, 400, "stream_options"},
		{"tool name", `"name":"look","strict"`, `"name":"look it","strict"`, 400, "does not match pattern"},
		{"open schema", `,"additionalProperties":false}}}]`, `}}}]`, 400, "'additionalProperties' is required to be supplied"},
		{"optional", `"required":["n"]`, `"required":[]`, 400, "Missing 'n'"},
		{"keyword", `{"type":"integer"}`, `{"allOf":[{"type":"integer"}]}`, 400, "'allOf' is not permitted"},
		{"choice", `"tool_choice":"auto"`, `"tool_choice":{"type":"function","function":{"name":"x"}}`, 400, "no function named"},
		{"max_tokens of a thinking model", "gpt-4.1-mini", "gpt-5-mini", 400, "max_completion_tokens"},
		{"effort", `"max_tokens":50`, `"reasoning_effort":"low"`, 400, "reasoning_effort"},
	})
	sol := strings.Replace(strings.Replace(chatBase, "gpt-4.1-mini", "gpt-6.1-sol", 1), `"max_tokens"`, `"max_completion_tokens"`, 1)
	if status, said := post(t, url, llmtest.DefaultKey, sol); status != 400 || !strings.Contains(said, "use /v1/responses") {
		t.Errorf("tools while thinking: %d %s", status, said)
	}
	if status, said := post(t, url, "wrong", chatBase); status != 401 || !strings.Contains(said, "invalid_api_key") {
		t.Errorf("wrong key: %d %s", status, said)
	}
}

const responsesBase = `{"model":"gpt-6.1-sol","instructions":"s","max_output_tokens":50,"store":false,"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low"},` +
	`"tools":[{"type":"function","name":"look","strict":true,"parameters":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}],` +
	`"text":{"format":{"type":"json_schema","name":"out","strict":true,"schema":{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}}},` +
	`"input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]},{"type":"function_call","call_id":"c1","name":"look","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"r"}]}`

func TestResponsesRefuses(t *testing.T) {
	s := llmtest.Start(llmtest.Config{})
	defer s.Close()
	refuse(t, s.OpenAIURL()+"/responses", responsesBase, []change{
		{"unknown field", `"store":false`, `"messages":[]`, 400, "Unknown parameter: 'messages'"},
		{"unknown model", "gpt-6.1-sol", "gpt-x", 404, "does not exist"},
		{"chat's tool", `"type":"function","name":"look"`, `"type":"function","function":{},"name":"look"`, 400, "Unknown parameter: 'tools[0].function'"},
		{"few tokens", `"max_output_tokens":50`, `"max_output_tokens":5`, 400, ">= 16"},
		{"no output", `,{"type":"function_call_output","call_id":"c1","output":"r"}`, "", 400, "No tool output found for function call c1"},
		{"output of nothing", `"call_id":"c1","output"`, `"call_id":"c2","output"`, 400, "No tool call found"},
		{"kind of content", "input_text", "output_text", 400, "Supported values"},
		{"forged thought", `{"type":"function_call",`, `{"type":"reasoning","id":"rs_1","encrypted_content":"x"},{"type":"function_call",`, 400, "could not be verified"},
		{"thoughts of a plain model", "gpt-6.1-sol", "gpt-4.1-mini", 400, "not supported with this model"},
		{"open schema", `,"additionalProperties":false}}},"input"`, `}}},"input"`, 400, "additionalProperties"},
		{"no input", `"input":[`, `"input":[],"metadata":[`, 400, "Missing required parameter: 'input'"},
	})
}
