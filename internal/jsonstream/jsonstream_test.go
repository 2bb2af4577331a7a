package jsonstream_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/jsonstream"
)

func TestSkip(t *testing.T) {
	for _, value := range []string{`1`, `"}"`, `null`, `[]`, `{}`, `[[1,{"a":[{}]}],2]`, `{"a":{"b":[1,"]"]},"c":3}`} {
		d := json.NewDecoder(strings.NewReader(value + ` "next"`))
		if err := jsonstream.Skip(d); err != nil {
			t.Errorf("%s: %v", value, err)
		}
		if token, err := d.Token(); err != nil || token != "next" {
			t.Errorf("behind %s stands %v, %v", value, token, err)
		}
	}
	for _, value := range []string{``, `[1`, `{"a":`, `{"a":[}`} {
		if err := jsonstream.Skip(json.NewDecoder(strings.NewReader(value))); err == nil {
			t.Errorf("%s was passed over", value)
		}
	}
}
