package errs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
)

func TestClassesAndPublicTexts(t *testing.T) {
	cause := errors.New("dial tcp 10.1.2.3: secret detail")
	known := errs.Wrap(cause, errs.Unavailable, "unreachable", "The server refused the connection.", "Check the port.")
	cases := []struct {
		name string
		err  error
		kind errs.Kind
		code string
		text string
		http int
	}{
		{"known", fmt.Errorf("scan: %w", known), errs.Unavailable, "unreachable", "The server refused the connection.", 502},
		{"without code", errs.New(errs.Invalid, "", "Wrong.", ""), errs.Invalid, "invalid", "Wrong.", 422},
		{"cancelled", fmt.Errorf("scan: %w", context.Canceled), errs.Canceled, "canceled", "cancelled", 503},
		{"too long", context.DeadlineExceeded, errs.Limited, "limited", "too long", 429},
		{"unknown", cause, errs.Internal, "internal", "inside MetaLens", 500},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := errs.KindOf(c.err); got != c.kind {
				t.Errorf("kind %q, want %q", got, c.kind)
			}
			if got := errs.CodeOf(c.err); got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
			}
			if got := errs.HTTPStatus(c.err); got != c.http {
				t.Errorf("status %d, want %d", got, c.http)
			}
			text, hint := errs.PublicText(c.err)
			if !strings.Contains(text, c.text) || strings.Contains(text+hint, "secret detail") {
				t.Errorf("public text %q, hint %q", text, hint)
			}
		})
	}
	if !errors.Is(known, cause) || !strings.Contains(known.Error(), "secret detail") {
		t.Error("the cause is lost to the log")
	}
	if errs.KindOf(nil) != "" {
		t.Error("no error has a class")
	}
}
