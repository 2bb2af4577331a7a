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
	}{
		{"known", fmt.Errorf("scan: %w", known), errs.Unavailable, "unreachable", "The server refused the connection."},
		{"without code", errs.New(errs.Invalid, "", "Wrong.", ""), errs.Invalid, "invalid", "Wrong."},
		{"cancelled", fmt.Errorf("scan: %w", context.Canceled), errs.Canceled, "canceled", "cancelled"},
		{"too long", context.DeadlineExceeded, errs.Limited, "limited", "too long"},
		{"unknown", cause, errs.Internal, "internal", "inside MetaLens"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := errs.KindOf(c.err); got != c.kind {
				t.Errorf("kind %q, want %q", got, c.kind)
			}
			if got := errs.CodeOf(c.err); got != c.code {
				t.Errorf("code %q, want %q", got, c.code)
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
