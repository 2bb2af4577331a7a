package anthropic

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	sdk "github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
)

// SubmitBatch implements [llm.Batcher].
func (c *Client) SubmitBatch(ctx context.Context, items []llm.BatchItem) (llm.BatchState, error) {
	params := sdk.MessageBatchNewParams{}
	for _, item := range items {
		one, err := build(item.Request)
		if err != nil {
			return llm.BatchState{}, err
		}
		raw, err := json.Marshal(one)
		if err != nil {
			return llm.BatchState{}, err
		}
		params.Requests = append(params.Requests, sdk.MessageBatchNewParamsRequest{
			CustomID: item.ID, Params: param.Override[sdk.MessageBatchNewParamsRequestParams](json.RawMessage(raw)),
		})
	}
	b, err := c.api.Messages.Batches.New(ctx, params)
	if err != nil {
		return llm.BatchState{}, c.explain(ctx, err, false, &answer{})
	}
	return stateOf(b), nil
}

// BatchState implements [llm.Batcher].
func (c *Client) BatchState(ctx context.Context, id string) (llm.BatchState, error) {
	b, err := c.api.Messages.Batches.Get(ctx, id, sdk.MessageBatchGetParams{})
	if err != nil {
		return llm.BatchState{}, gone(c.explain(ctx, err, false, &answer{}))
	}
	return stateOf(b), nil
}

// CancelBatch implements [llm.Batcher].
func (c *Client) CancelBatch(ctx context.Context, id string) error {
	if _, err := c.api.Messages.Batches.Cancel(ctx, id, sdk.MessageBatchCancelParams{}); err != nil {
		return gone(c.explain(ctx, err, false, &answer{}))
	}
	return nil
}

func stateOf(b *sdk.MessageBatch) llm.BatchState {
	n := b.RequestCounts
	ended := n.Succeeded + n.Errored + n.Canceled + n.Expired
	return llm.BatchState{
		ID: b.ID, Done: b.ProcessingStatus == sdk.MessageBatchProcessingStatusEnded,
		Total: int(ended + n.Processing), Ended: int(ended), Expires: b.ExpiresAt,
	}
}

// gone says of a batch that it is not there, where the API says it of something.
func gone(err error) error {
	if f := llm.FaultOf(err); f.Status == http.StatusNotFound {
		return errs.Wrap(err, errs.NotFound, llm.CodeBatch, Who+" knows no such batch: it was made with another key, or is older than 29 days.", "Start the work again.")
	}
	return err
}

// BatchResults implements [llm.Batcher].
func (c *Client) BatchResults(ctx context.Context, state llm.BatchState, on func(llm.BatchResult) error) error {
	stream := c.api.Messages.Batches.ResultsStreaming(ctx, state.ID, sdk.MessageBatchResultsParams{})
	defer func() { _ = stream.Close() }()
	for stream.Next() {
		one := stream.Current()
		out := llm.BatchResult{ID: one.CustomID}
		switch one.Result.Type {
		case "succeeded":
			out.Response, out.Err = whole(one.Result.Message)
		case "errored":
			why := llm.ReasonBusy
			if one.Result.Error.Error.Type == "invalid_request_error" {
				why = ofMessage(one.Result.Error.Error.Message)
			}
			out.Err = llm.Failed(Who, why, llm.Fault{Unbilled: true, Detail: one.Result.Error.Error.Message, RequestID: llm.Plain(one.Result.Error.RequestID)})
		default: // canceled, expired
			out.Err = llm.Failed(Who, llm.ReasonBusy, llm.Fault{Unbilled: true, Detail: one.Result.Type})
		}
		if err := on(out); err != nil {
			return err
		}
	}
	if err := stream.Err(); err != nil {
		var public *errs.Error
		if errors.As(err, &public) {
			return err
		}
		return gone(c.explain(ctx, err, false, &answer{}))
	}
	return nil
}

// whole makes a response of a message that came in one piece. Which schema was
// asked for is the caller's to know: Output is the text.
func whole(m sdk.Message) (llm.Response, error) {
	a := &answer{begun: true, ended: true, final: true}
	a.resp.Model, a.resp.Stop = llm.Plain(m.Model), stopOf(string(m.StopReason))
	a.usage = llm.Usage{
		Input: m.Usage.InputTokens, CacheRead: m.Usage.CacheReadInputTokens, CacheWrite: m.Usage.CacheCreationInputTokens,
		Output: m.Usage.OutputTokens, Thinking: m.Usage.OutputTokensDetails.ThinkingTokens,
	}
	for _, c := range m.Content {
		b := &block{kind: c.Type, id: c.ID, name: c.Name, signature: c.Signature, extra: c.Data, closed: true}
		switch c.Type {
		case "text":
			b.text.WriteString(c.Text)
		case "thinking":
			b.text.WriteString(c.Thinking)
		case "tool_use":
			if c.Name == answerTool {
				a.request.ViaTool = true
			}
			b.text.Write(c.Input)
		}
		a.blocks = append(a.blocks, b)
	}
	a.finish()
	if a.resp.Output == nil {
		a.resp.Output = json.RawMessage(a.resp.Text)
	}
	return a.resp, a.check()
}
