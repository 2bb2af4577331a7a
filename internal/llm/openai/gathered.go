package openai

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
)

// gathered is what both protocols gather of an answer.
type gathered struct {
	request llm.Request
	on      func(llm.Event) error

	model    string
	text     strings.Builder
	kept     []llm.Part // as the next request has to repeat them, texts aside
	toolUses []llm.ToolCall
	output   json.RawMessage
	usage    llm.Usage
	counted  bool
	refused  bool
	told     bool
	last     llm.Response
}

func (g *gathered) used(u llm.Usage) { g.usage, g.counted = u.Sane(), true }

func (g *gathered) tell(e llm.Event) error {
	g.told = g.told || e.Kind != llm.EventThink
	if g.on == nil {
		return nil
	}
	if err := g.on(e); err != nil {
		return callerError{err}
	}
	return nil
}

func (g *gathered) say(text string) error {
	if text == "" {
		return nil
	}
	g.text.WriteString(text)
	return g.tell(llm.Event{Kind: llm.EventText, Text: text})
}

// call takes a whole tool call.
func (g *gathered) call(id, name, args string, n int) error {
	if strings.TrimSpace(args) == "" {
		args = "{}"
	}
	if name == answerTool && (g.request.ViaTool || len(g.request.Tools) == 0) {
		g.output = json.RawMessage(args)
		return nil
	}
	c := llm.ToolCall{ID: llm.CallID(id, len(g.request.Messages), n), Name: name, Args: mask.FromModel(args)}
	g.toolUses = append(g.toolUses, c)
	g.kept = append(g.kept, llm.Part{Call: &c})
	return g.tell(llm.Event{Kind: llm.EventCall, Call: &c})
}

func (g *gathered) handed() bool { return g.told }

// response makes the response of what came, whole or not.
func (g *gathered) response(stop llm.Stop) llm.Response {
	out := llm.Response{Text: g.text.String(), Calls: g.toolUses, Stop: stop, Usage: g.usage, Model: g.model, Output: g.output}
	out.Usage.Estimated = out.Usage.Estimated || !g.counted
	switch {
	case g.refused:
		out.Stop = llm.StopRefused
	case stop == llm.StopEnd && len(out.Calls) > 0:
		out.Stop = llm.StopTools // some servers say stop
	case stop == llm.StopTools && len(out.Calls) == 0 && out.Output != nil:
		out.Stop = llm.StopEnd
	}
	if strings.TrimSpace(out.Text) != "" {
		said := mask.FromModel(out.Text)
		out.Parts = append(out.Parts, llm.Part{Text: &said})
	}
	out.Parts = append(out.Parts, g.kept...)
	if g.request.Output != nil && out.Output == nil && out.Stop == llm.StopEnd {
		out.Output = unfenced(out.Text)
	}
	g.last = out
	return out
}

// unfenced takes JSON out of the fence that small models put around it.
func unfenced(text string) json.RawMessage {
	text = strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(text, "```"); ok {
		rest = strings.TrimPrefix(rest, "json")
		if inner, ok := strings.CutSuffix(strings.TrimSpace(rest), "```"); ok {
			text = strings.TrimSpace(inner)
		}
	}
	return json.RawMessage(text)
}

// check holds the response that was made last against the protocol.
func (g *gathered) check() error {
	switch {
	case g.last.Stop == "":
		return brokenAnswer{"it does not say why it ended"}
	case g.last.Stop == llm.StopTools && len(g.last.Calls) == 0:
		return brokenAnswer{"it waits for tools that it does not name"}
	}
	for _, c := range g.last.Calls {
		if err := llm.CheckCall(c); err != nil {
			return brokenCall{fmt.Errorf("%s: %w", llm.Plain(c.Name), err)}
		}
	}
	return nil
}
