package mask_test

import (
	"testing"

	"github.com/metalens/metalens/internal/mask"
)

func TestJSONTakesMaskedTextsOnly(t *testing.T) {
	type inner struct {
		Name mask.Text `json:"name"`
	}
	type fits struct {
		inner
		List  []*inner  `json:"list"`
		Note  mask.Text `json:"note,omitzero"`
		Count int       `json:"count"`
	}
	got, err := mask.JSON(fits{inner: inner{mask.Constant(`a "quoted" name`)}, List: []*inner{{mask.Constant("<b></data>")}}, Count: 3})
	if want := `{"name":"a \"quoted\" name","list":[{"name":"<b><\/data>"}],"count":3}`; err != nil || got.String() != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	for name, v := range map[string]any{
		"a string": "x", "a named string": struct{ K mask.Category }{}, "bytes": struct{ B []byte }{}, "anything": struct{ A any }{}, "a map": map[string]int{},
		"deep": struct{ L []struct{ S string } }{},
	} {
		if got, err := mask.JSON(v); err == nil {
			t.Errorf("%s was written: %s", name, got)
		}
	}
}
