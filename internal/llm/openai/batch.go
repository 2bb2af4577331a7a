package openai

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
)

// batchLine is one request of the file that a batch is made of:
// https://developers.openai.com/api/docs/guides/batch
type batchLine struct {
	ID     string `json:"custom_id"`
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   any    `json:"body"`
}

type batchObject struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	OutputFile string `json:"output_file_id"`
	ErrorFile  string `json:"error_file_id"`
	InputFile  string `json:"input_file_id"`
	ExpiresAt  int64  `json:"expires_at"`
	Counts     struct {
		Total     int `json:"total"`
		Completed int `json:"completed"`
		Failed    int `json:"failed"`
	} `json:"request_counts"`
}

func (b batchObject) state() llm.BatchState {
	s := llm.BatchState{ID: b.ID, Total: b.Counts.Total, Ended: b.Counts.Completed + b.Counts.Failed}
	switch b.Status {
	case "completed", "failed", "expired", "cancelled":
		s.Done = true
	}
	if b.ExpiresAt > 0 {
		s.Expires = time.Unix(b.ExpiresAt, 0).UTC()
	}
	s.Files = []string{b.OutputFile, b.ErrorFile, b.InputFile}
	return s
}

// SubmitBatch implements [llm.Batcher].
func (s *Service) SubmitBatch(ctx context.Context, items []llm.BatchItem) (llm.BatchState, error) {
	var lines bytes.Buffer
	for _, item := range items {
		body, err := s.speak.build(item.Request, false)
		if err != nil {
			return llm.BatchState{}, err
		}
		raw, err := marshal(batchLine{item.ID, http.MethodPost, "/v1/" + s.speak.path(), body})
		if err != nil {
			return llm.BatchState{}, fmt.Errorf("batch item %s: %w", item.ID, err)
		}
		lines.Write(raw)
		lines.WriteByte('\n')
	}
	file, err := s.upload(ctx, lines.Bytes())
	if err != nil {
		return llm.BatchState{}, err
	}
	var made batchObject
	raw, err := marshal(map[string]string{"input_file_id": file, "endpoint": "/v1/" + s.speak.path(), "completion_window": "24h"})
	if err == nil {
		err = s.object(ctx, http.MethodPost, "batches", "application/json", raw, &made)
	}
	if err != nil {
		// The file is of no use without its batch.
		return llm.BatchState{}, errors.Join(err, s.object(ctx, http.MethodDelete, "files/"+url.PathEscape(file), "", nil, nil))
	}
	return made.state(), nil
}

func (s *Service) upload(ctx context.Context, content []byte) (id string, err error) {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	if err := form.WriteField("purpose", "batch"); err != nil {
		return "", err
	}
	part, err := form.CreateFormFile("file", "batch.jsonl")
	if err != nil {
		return "", err
	}
	if _, err := part.Write(content); err != nil {
		return "", err
	}
	if err := form.Close(); err != nil {
		return "", err
	}
	if body.Len() > llm.MaxRequestBytes {
		return "", llm.Failed(s.wire.Who(), llm.ReasonTooLong, llm.Fault{Unbilled: true, Err: fmt.Errorf("%d bytes", body.Len())})
	}
	var made struct {
		ID string `json:"id"`
	}
	err = s.object(ctx, http.MethodPost, "files", form.FormDataContentType(), body.Bytes(), &made)
	return made.ID, err
}

// object makes a request whose answer is one object; into may be nil.
func (s *Service) object(ctx context.Context, method, path, kind string, body []byte, into any) error {
	var f llm.Fault
	resp, err := s.send(ctx, method, path, kind, body, &f)
	if err != nil {
		return gone(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return s.wire.Explain(ctx, err, true, f)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return llm.Nonsense(s.wire.Who(), "it is not the JSON of this protocol", f)
	}
	return nil
}

// gone says of a batch that it is not there, where the API says it of something.
func gone(err error) error {
	if f := llm.FaultOf(err); f.Status == http.StatusNotFound {
		return errs.Wrap(err, errs.NotFound, llm.CodeBatch, Who+" knows no such batch: it was made with another key, or is too old.", "Start the work again.")
	}
	return err
}

// BatchState implements [llm.Batcher].
func (s *Service) BatchState(ctx context.Context, id string) (llm.BatchState, error) {
	var b batchObject
	err := s.object(ctx, http.MethodGet, "batches/"+url.PathEscape(id), "", nil, &b)
	return b.state(), err
}

// CancelBatch implements [llm.Batcher].
func (s *Service) CancelBatch(ctx context.Context, id string) error {
	return s.object(ctx, http.MethodPost, "batches/"+url.PathEscape(id)+"/cancel", "", nil, nil)
}

// batchAnswer is one line of a batch's results.
type batchAnswer struct {
	ID       string `json:"custom_id"`
	Response *struct {
		Status    int             `json:"status_code"`
		RequestID string          `json:"request_id"`
		Body      json.RawMessage `json:"body"`
	} `json:"response"`
	Error *errorBody `json:"error"`
}

// BatchResults implements [llm.Batcher]. Once everything was handed on, the files
// are deleted at OpenAI.
func (s *Service) BatchResults(ctx context.Context, state llm.BatchState, on func(llm.BatchResult) error) error {
	const results = 2 // the output and the error file; the third is what was sent
	for i, file := range state.Files {
		if file == "" || i >= results {
			continue
		}
		if err := s.results(ctx, file, on); err != nil {
			return err
		}
	}
	for _, file := range state.Files {
		if file == "" {
			continue
		}
		if err := s.object(ctx, http.MethodDelete, "files/"+url.PathEscape(file), "", nil, nil); err != nil && errs.KindOf(err) != errs.NotFound {
			return err
		}
	}
	return nil
}

func (s *Service) results(ctx context.Context, file string, on func(llm.BatchResult) error) error {
	var f llm.Fault
	resp, err := s.send(ctx, http.MethodGet, "files/"+url.PathEscape(file)+"/content", "", nil, &f)
	if err != nil {
		return gone(err)
	}
	defer func() { _ = resp.Body.Close() }()
	const longest = 4 << 20
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, longest)
	for lines.Scan() {
		var a batchAnswer
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			return llm.Nonsense(s.wire.Who(), "it is not the JSON of this protocol", f)
		}
		if err := on(s.result(ctx, a)); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return s.wire.Explain(ctx, err, true, f)
	}
	return nil
}

func (s *Service) result(ctx context.Context, a batchAnswer) llm.BatchResult {
	out := llm.BatchResult{ID: a.ID}
	switch {
	case a.Error != nil:
		out.Err = s.failed(*a.Error, 0, llm.Fault{Unbilled: true})
	case a.Response == nil:
		out.Err = llm.Nonsense(s.wire.Who(), "a result is empty", llm.Fault{Unbilled: true})
	case a.Response.Status != http.StatusOK:
		out.Err = s.failed(bodyOf(a.Response.Body), a.Response.Status, llm.Fault{Unbilled: true, RequestID: llm.Plain(a.Response.RequestID)})
	default:
		read := s.speak.reader(llm.Request{}, nil)
		err := read.whole(a.Response.Body)
		out.Response = read.finish()
		out.Response.RequestID = llm.Plain(a.Response.RequestID)
		if err == nil {
			err = read.check()
		}
		if err != nil {
			out.Err = s.explain(ctx, err, llm.Fault{RequestID: out.Response.RequestID})
			break
		}
		if out.Response.Output == nil {
			out.Response.Output = unfenced(out.Response.Text)
		}
	}
	return out
}
