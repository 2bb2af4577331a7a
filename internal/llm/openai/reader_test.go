package openai

import (
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/llm"
)

// FuzzReaders feeds both protocols with events of any kind: nothing panics, and
// an answer that is taken as whole says why it ended and holds readable calls.
func FuzzReaders(f *testing.F) {
	f.Add("{\"choices\":[{\"delta\":{\"content\":\"a\",\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"n\",\"arguments\":\"{}\"}}]}}]}\n{\"choices\":[{\"finish_reason\":\"tool_calls\"}],\"usage\":{\"prompt_tokens\":1,\"prompt_tokens_details\":{\"cached_tokens\":9}}}")
	f.Add("{\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n{\"type\":\"response.output_item.done\",\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"n\",\"arguments\":\"{}\"}}\n{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":-4}}}")
	f.Add("{\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"arguments\":\"x\"}},{\"index\":-1}]}}]}")
	f.Add("{\"error\":{\"message\":\"m\",\"code\":7}}")
	f.Fuzz(func(t *testing.T, in string) {
		for _, speak := range []protocol{chat{}, responses{}} {
			for _, whole := range []bool{false, true} {
				read := speak.reader(llm.Request{}, func(llm.Event) error { return nil })
				var err error
				for line := range strings.Lines(in) {
					if whole {
						err = read.whole([]byte(line))
					} else {
						err = read.event([]byte(line))
					}
					if err != nil {
						break
					}
				}
				resp := read.finish()
				if u := resp.Usage; u.Input < 0 || u.CacheRead < 0 || u.CacheWrite < 0 || u.Output < 0 {
					t.Errorf("negative usage %+v", u)
				}
				if err == nil && read.ended() && read.check() == nil {
					if resp.Stop == "" {
						t.Error("an answer that does not say why it ended is taken")
					}
					for _, c := range resp.Calls {
						if llm.CheckCall(c) != nil {
							t.Errorf("taken: %+v", c)
						}
					}
				}
			}
		}
	})
}
