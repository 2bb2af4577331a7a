package siem

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
)

// The headers of a delivery. A receiver recomputes the signature over
// timestamp, a dot and the body, compares it in constant time, and refuses old
// timestamps.
const (
	HeaderTimestamp = "X-Metalens-Timestamp" // seconds since 1970
	HeaderSignature = "X-Metalens-Signature" // v1=<hex of HMAC-SHA256>
	HeaderDelivery  = "X-Metalens-Delivery"  // the same when a batch is sent again
)

// Webhook posts records as {"records": […]}, signed.
type Webhook struct {
	url    string
	secret secret.Value
	client *http.Client
	now    func() time.Time
}

// NewWebhook returns a sink over an address. The transport is the guarded one.
func NewWebhook(url string, key secret.Value, transport http.RoundTripper, now func() time.Time) (*Webhook, error) {
	if key.IsZero() {
		return nil, errs.New(errs.Invalid, "stream_secret", "The stream's webhook has no secret to sign with.", "Set ledger.stream_secret.")
	}
	return &Webhook{url: url, secret: key, now: now, client: &http.Client{
		Transport: transport, Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Name implements [Sink].
func (w *Webhook) Name() string { return "webhook:" + w.url }

// Sign returns the signature of a body at a time.
func Sign(key secret.Value, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key.Expose()))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "v1=" + hex.EncodeToString(mac.Sum(nil))
}

// Write implements [Sink]. Anything but a 2xx answer is tried again later.
func (w *Webhook) Write(ctx context.Context, records []Record) error {
	list := make([]json.RawMessage, len(records))
	for i, r := range records {
		list[i] = r.Body
	}
	body, err := json.Marshal(map[string]any{"format": "metalens-stream-v1", "records": list})
	if err != nil {
		return fmt.Errorf("write a delivery: %w", err)
	}
	req, err := http.NewRequestWithContext(outbound.WithRoute(ctx, "webhook"), http.MethodPost, w.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make a delivery: %w", err)
	}
	id := sha256.Sum256(body)
	timestamp := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "MetaLens")
	req.Header.Set(HeaderTimestamp, timestamp)
	req.Header.Set(HeaderDelivery, hex.EncodeToString(id[:16]))
	req.Header.Set(HeaderSignature, Sign(w.secret, timestamp, body))
	resp, err := w.client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	if cerr := resp.Body.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("read the answer to a delivery: %w", err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return errs.New(errs.Unavailable, "webhook_refused", "The webhook answered "+strconv.Itoa(resp.StatusCode)+".", "It is tried again.")
	}
	return nil
}
