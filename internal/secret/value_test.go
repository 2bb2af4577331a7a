package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/secret"
)

func TestValueIsNeverPrinted(t *testing.T) {
	const canary = "mb_canary_7f3a"
	type holder struct {
		Public secret.Value
		hidden secret.Value
	}
	h := holder{Public: secret.New(canary), hidden: secret.New(canary)}
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "v", h.Public, "h", h, "p", &h)
	}
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	outputs := []string{log.String(), string(asJSON)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		outputs = append(outputs, fmt.Sprintf(verb, h), fmt.Sprintf(verb, &h), fmt.Sprintf(verb, h.Public))
	}
	for _, out := range outputs {
		if strings.Contains(out, canary) || strings.Contains(out, fmt.Sprintf("%x", canary)) {
			t.Errorf("printed in clear: %s", out)
		}
	}
	if h.hidden.Expose() != canary || !h.Public.Equal(h.hidden) || h.Public.Equal(secret.New("other")) {
		t.Error("Expose or Equal is wrong")
	}
	if !(secret.Value{}).IsZero() || !secret.New("").IsZero() {
		t.Error("zero value is not empty")
	}
}

// TestFingerprint tells texts apart, and says nothing without the key.
func TestFingerprint(t *testing.T) {
	v, key := secret.New("mb_key"), []byte("installation")
	if got := v.Fingerprint(key); len(got) != 10 || got != secret.New("mb_key").Fingerprint(key) {
		t.Errorf("got %q", got)
	}
	if v.Fingerprint(key) == v.Fingerprint([]byte("another")) || v.Fingerprint(key) == secret.New("mb_kez").Fingerprint(key) {
		t.Error("different things look the same")
	}
	if got := (secret.Value{}).Fingerprint(key); got != "" {
		t.Errorf("nothing has the fingerprint %q", got)
	}
}
