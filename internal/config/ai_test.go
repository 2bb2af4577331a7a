package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/config"
)

func loadAI(t *testing.T, dir string, environ ...string) *config.Loaded {
	t.Helper()
	l, err := config.Load(config.Inputs{Environ: environ, DefaultData: dir})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestAISettings reads amounts, addresses and the declared terms.
func TestAISettings(t *testing.T) {
	l := loadAI(t, t.TempDir(), "METALENS_AI_BUDGET_USD=12.5", "METALENS_AI_BUDGET_TOKENS=1_000_000", "METALENS_AI_BASE_URLS=https://a.example.com/v1, http://127.0.0.1:11434/v1/",
		"METALENS_AI_ANTHROPIC_TRAINING=no", "METALENS_AI_ANTHROPIC_CHECKED=2026-11-22", "ANTHROPIC_API_KEY=sk-x")
	a := l.Config.AI
	if a.BudgetMicros != 12_500_000 || a.BudgetTokens != 1_000_000 || len(a.BaseURLs) != 2 || a.BaseURLs[1] != "http://127.0.0.1:11434/v1" {
		t.Errorf("%+v", a)
	}
	if a.Terms["anthropic"] != (config.AITerms{Training: "no", Checked: "2026-11-22"}) || a.Terms["openai"] != (config.AITerms{}) {
		t.Errorf("terms %+v", a.Terms)
	}
	if l.Show("ai.budget_usd") != "12.5" || strings.Contains(l.Show("ai.anthropic_key"), "sk-x") || l.Show("ai.anthropic_training") != "no" {
		t.Errorf("shown as %q, %q, %q", l.Show("ai.budget_usd"), l.Show("ai.anthropic_key"), l.Show("ai.anthropic_training"))
	}
	for _, bad := range []string{"METALENS_AI_BUDGET_USD=-1", "METALENS_AI_BUDGET_USD=NaN", "METALENS_AI_CALL_TOKENS=many", "METALENS_AI_PROVIDER=other", "METALENS_AI_BASE_URLS=ftp://x", "OPENAI_BASE_URL=https://u:p@x"} {
		if _, err := config.Load(config.Inputs{Environ: []string{bad}}); err == nil {
			t.Errorf("%s is accepted", bad)
		}
	}
}

// TestModelKeyGoesToItsOwnAddress never sends the environment's key to an address
// that a file names.
func TestModelKeyGoesToItsOwnAddress(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("OPENAI_BASE_URL=https://elsewhere.example.com/v1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := loadAI(t, dir, "OPENAI_API_KEY=sk-secret")
	if !l.Config.AI.OpenAIKey.IsZero() {
		t.Error("the key goes with an address from another place")
	}
	if text := strings.Join(l.Warnings, "\n"); !strings.Contains(text, "elsewhere.example.com") || strings.Contains(text, "sk-secret") {
		t.Errorf("warnings %q", text)
	}
	if l = loadAI(t, dir, "OPENAI_API_KEY=sk-secret", "OPENAI_BASE_URL=https://own.example.com"); l.Config.AI.OpenAIKey.IsZero() || l.Config.AI.BaseURL != "https://own.example.com" {
		t.Errorf("both from the environment: %+v", l.Config.AI.BaseURL)
	}
	if l = loadAI(t, t.TempDir(), "OPENAI_API_KEY=sk-secret"); l.Config.AI.OpenAIKey.IsZero() {
		t.Error("the key without an address of its own is lost")
	}
}
