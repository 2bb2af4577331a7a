package metabasetest

import (
	"bytes"
	"testing"
	"time"
)

func TestGenerateIsDeterministicAndSized(t *testing.T) {
	cfg := GenerateConfig{Seed: 7, Questions: 800, Dashboards: 60, Tables: 160}
	began := time.Now()
	w := Generate(cfg)
	t.Logf("800 questions in %v", time.Since(began))
	a := NewServer(Config{World: w, Admin: true, Now: fixedNow, NoCompression: true}).Start(t)
	b := NewServer(Config{World: Generate(cfg), Admin: true, Now: fixedNow, NoCompression: true}).Start(t)
	_, one := read(t, a, "/api/card")
	_, two := read(t, b, "/api/card")
	if !bytes.Equal(one, two) {
		t.Error("the same seed gave different answers")
	}
	cards := decode[[]struct {
		Archived bool `json:"archived"`
	}](t, a, "/api/card")
	mean := len(one) / len(cards)
	t.Logf("%d cards, mean answer %d bytes", len(cards), mean)
	if mean < 8500 || mean > 11500 {
		t.Errorf("mean answer is %d bytes, want about 10,000", mean)
	}
	other := NewServer(Config{World: Generate(GenerateConfig{Seed: 8, Questions: 800}), Admin: true, Now: fixedNow, NoCompression: true}).Start(t)
	if _, three := read(t, other, "/api/card"); bytes.Equal(one, three) {
		t.Error("another seed gave the same answers")
	}
}

func BenchmarkGenerate10000(b *testing.B) {
	for b.Loop() {
		Generate(GenerateConfig{Seed: 1})
	}
}
