package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	sdk "github.com/anthropics/anthropic-sdk-go"

	"github.com/metalens/metalens/internal/llm"
)

// FuzzAnswer feeds events of any kind: nothing panics, and an answer that is
// taken as whole says why it ended and holds readable calls.
func FuzzAnswer(f *testing.F) {
	f.Add(`{"type":"message_start","message":{"model":"m","usage":{"input_tokens":5}}}` + "\n" +
		`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}` + "\n" +
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}` + "\n" +
		`{"type":"content_block_stop","index":0}` + "\n" + `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":-3}}` + "\n" + `{"type":"message_stop"}`)
	f.Add(`{"type":"message_start"}` + "\n" + `{"type":"content_block_delta","index":-1}`)
	f.Add(`{"type":"message_start"}` + "\n" + `{"type":"content_block_start","index":0,"content_block":{"type":"thinking"}}` + "\n" + `{"type":"content_block_stop","index":0}` + "\n" + `{"type":"content_block_stop","index":0}`)
	f.Fuzz(func(t *testing.T, in string) {
		a := &answer{on: func(llm.Event) error { return nil }}
		var err error
		for line := range strings.Lines(in) {
			var e sdk.MessageStreamEventUnion
			if err = json.Unmarshal([]byte(line), &e); err != nil {
				break
			}
			if err = a.take(e); err != nil {
				break
			}
		}
		a.finish()
		if u := a.resp.Usage; u.Input < 0 || u.CacheRead < 0 || u.CacheWrite < 0 || u.Output < 0 {
			t.Errorf("negative usage %+v", u)
		}
		if err == nil && a.ended && a.check() == nil {
			if a.resp.Stop == "" {
				t.Error("an answer that does not say why it ended is taken")
			}
			for _, c := range a.resp.Calls {
				if llm.CheckCall(c) != nil {
					t.Errorf("taken: %+v", c)
				}
			}
		}
	})
}
