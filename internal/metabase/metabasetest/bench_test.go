package metabasetest

import (
	"io"
	"net/http"
	"testing"
)

func BenchmarkRenderAllCards10000(b *testing.B) {
	s := NewServer(Config{World: Generate(GenerateConfig{Seed: 1}), Admin: true, Now: fixedNow, NoCompression: true})
	url, closeServer, err := s.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer closeServer()
	native := 0
	total := 0
	s.Read(func(w *World) {
		for _, c := range w.Cards {
			if c.Query.IsNative() {
				native++
				total += len(c.Query.Stages[0].SQL)
			}
		}
	})
	b.Logf("mean SQL %d bytes over %d native questions", total/native, native)
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url+"/api/card", http.NoBody)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("X-Api-Key", DefaultKey)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		b.SetBytes(n)
	}
	b.ReportMetric(float64(s.Busy().Milliseconds())/float64(b.N), "busy-ms/op")
}
