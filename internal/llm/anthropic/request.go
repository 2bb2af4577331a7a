package anthropic

import (
	"encoding/json"
	"fmt"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
)

// answerTool is the tool that carries an answer of a model that cannot hold
// itself to a schema.
const answerTool = "give_answer"

// The most strict tools of one request, and the most parameters of several types
// in them: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
const (
	maxStrictTools = 20
	maxStrictUnion = 16
)

// build says a request in the API's words.
func build(r llm.Request) (sdk.MessageNewParams, error) {
	p := sdk.MessageNewParams{Model: r.Model, MaxTokens: int64(r.MaxTokens)}
	for _, text := range r.System {
		p.System = append(p.System, sdk.TextBlockParam{Text: text.String()})
	}
	strict, unions := len(r.Tools) <= maxStrictTools, 0
	for _, t := range r.Tools {
		unions += t.Input.Unions()
	}
	if r.Output != nil && !r.ViaTool {
		unions += r.Output.Unions()
	}
	for _, t := range r.Tools {
		tool := toolOf(t.Name, t.Description.String(), t.Input)
		if strict && unions <= maxStrictUnion {
			tool.Strict = sdk.Bool(true)
		}
		p.Tools = append(p.Tools, sdk.ToolUnionParam{OfTool: tool})
	}
	switch {
	case r.Output != nil && r.ViaTool:
		p.Tools = append(p.Tools, sdk.ToolUnionParam{OfTool: toolOf(answerTool, "Give the answer. Call this once, when you are done.", *r.Output)})
		p.ToolChoice = sdk.ToolChoiceUnionParam{OfAny: &sdk.ToolChoiceAnyParam{}}
		if len(r.Tools) == 0 {
			p.ToolChoice = sdk.ToolChoiceParamOfTool(answerTool)
		}
	case r.Output != nil:
		format, err := json.Marshal(map[string]any{"type": "json_schema", "schema": r.Output.JSON()})
		if err != nil {
			return p, fmt.Errorf("schema %s: %w", r.Output.Name(), err)
		}
		p.OutputConfig.Format = param.Override[sdk.JSONOutputFormatParam](json.RawMessage(format))
	case r.Choice == llm.ToolsRequired:
		p.ToolChoice = sdk.ToolChoiceUnionParam{OfAny: &sdk.ToolChoiceAnyParam{}}
	case r.Choice == llm.ToolsNone && len(r.Tools) > 0:
		p.ToolChoice = sdk.ToolChoiceUnionParam{OfNone: &sdk.ToolChoiceNoneParam{}}
	}
	if r.Effort != "" {
		p.OutputConfig.Effort = sdk.OutputConfigEffort(r.Effort)
	}
	for i, m := range r.Messages {
		said, err := messageOf(m)
		if err != nil {
			return p, fmt.Errorf("message %d: %w", i, err)
		}
		p.Messages = append(p.Messages, said)
	}
	mark(&p, r)
	return p, nil
}

func toolOf(name, description string, schema llm.Schema) *sdk.ToolParam {
	t := &sdk.ToolParam{Name: name, InputSchema: param.Override[sdk.ToolInputSchemaParam](schema.JSON())}
	if description != "" {
		t.Description = sdk.String(description)
	}
	return t
}

func messageOf(m llm.Message) (sdk.MessageParam, error) {
	out := sdk.MessageParam{Role: sdk.MessageParamRole(m.Role)}
	// Results come first: the API wants them at the head of the message.
	for _, p := range m.Parts {
		if p.Result != nil {
			out.Content = append(out.Content, resultOf(*p.Result))
		}
	}
	for _, p := range m.Parts {
		switch {
		case p.Text != nil:
			out.Content = append(out.Content, sdk.NewTextBlock(p.Text.String()))
		case p.Call != nil:
			out.Content = append(out.Content, sdk.NewToolUseBlock(p.Call.ID, json.RawMessage(p.Call.Args.String()), p.Call.Name))
		case p.Kept != nil && p.Kept.Provider == llm.Anthropic:
			kept, err := keptOf(p.Kept.JSON.String())
			if err != nil {
				return out, err
			}
			out.Content = append(out.Content, kept)
		}
	}
	return out, nil
}

// resultOf leaves the content out where there is none: empty texts are refused.
func resultOf(r llm.ToolResult) sdk.ContentBlockParamUnion {
	block := sdk.ToolResultBlockParam{ToolUseID: r.ID}
	if r.IsError {
		block.IsError = sdk.Bool(true)
	}
	if text := r.Text.String(); text != "" {
		block.Content = []sdk.ToolResultBlockParamContentUnion{{OfText: &sdk.TextBlockParam{Text: text}}}
	}
	return sdk.ContentBlockParamUnion{OfToolResult: &block}
}

// keptBlock is a block of thinking as it goes back: unchanged, or it is refused.
type keptBlock struct {
	Type      string `json:"type"`
	Thinking  string `json:"thinking,omitempty"`
	Signature string `json:"signature,omitempty"`
	Data      string `json:"data,omitempty"`
}

func keptOf(raw string) (sdk.ContentBlockParamUnion, error) {
	var k keptBlock
	if err := json.Unmarshal([]byte(raw), &k); err != nil {
		return sdk.ContentBlockParamUnion{}, fmt.Errorf("kept part: %w", err)
	}
	switch k.Type {
	case "thinking":
		return sdk.NewThinkingBlock(k.Signature, k.Thinking), nil
	case "redacted_thinking":
		return sdk.NewRedactedThinkingBlock(k.Data), nil
	}
	return sdk.ContentBlockParamUnion{}, errs.New(errs.Internal, llm.CodeRequest, "A kept part of an answer is of no known kind.", "")
}

// mark says what the provider may keep: everything up to a marked block. Tools
// come before the system prompt, so that one mark covers both.
func mark(p *sdk.MessageNewParams, r llm.Request) {
	keep := sdk.NewCacheControlEphemeralParam()
	if r.CacheSystem {
		switch {
		case len(p.System) > 0:
			p.System[len(p.System)-1].CacheControl = keep
		case len(p.Tools) > 0:
			p.Tools[len(p.Tools)-1].OfTool.CacheControl = keep
		}
	}
	if !r.CacheTurns {
		return
	}
	last := p.Messages[len(p.Messages)-1].Content
	switch block := last[len(last)-1]; {
	case block.OfText != nil:
		block.OfText.CacheControl = keep
	case block.OfToolResult != nil:
		block.OfToolResult.CacheControl = keep
	}
}
