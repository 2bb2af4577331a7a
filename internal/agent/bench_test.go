package agent_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/agenttest"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// TestBenchPlan plans what agents do after a scan of 5,000 questions, for models
// whose prices are built in. It runs with METALENS_BENCH set.
func TestBenchPlan(t *testing.T) {
	if os.Getenv("METALENS_BENCH") == "" {
		t.Skip("METALENS_BENCH is not set")
	}
	over := newBackend(analysed(t, metabasetest.Generate(metabasetest.GenerateConfig{Questions: 5_000, Dashboards: 500, Tables: 1_000}), "0.58"))
	b := newBenchOf(t, &agenttest.Model{Reply: reply}, over)
	all := agent.AfterScan{Agents: []agent.Name{agent.Briefing, agent.Explainer, agent.Duplicates, agent.Metrics, agent.SQLReview, agent.Exposure}}
	models := llm.NewCatalog().All()
	for _, name := range []string{"claude-haiku-4-5", "claude-sonnet-5", "gpt-6-luna"} {
		i := slices.IndexFunc(models, func(m llm.Model) bool { return m.Name == name })
		if i < 0 {
			t.Fatalf("no model %s", name)
		}
		m := models[i]
		b.setups.model = &m
		began := time.Now()
		p, err := b.service.Plan(b.as(access.Editor), b.org, b.conn, all)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-24s %5d calls, %9d tokens, $%.2f likely, $%.2f at most, %d within the default cap, planned in %v", m.Name, p.Calls, p.Tokens,
			float64(p.Likely)/float64(llm.Dollar), float64(p.High)/float64(llm.Dollar), p.Within, time.Since(began).Round(time.Millisecond))
		for _, s := range p.Shares {
			f := s.Forecast
			t.Logf("    %-12s %5d subjects, %6d tokens in and %4d out per call", s.Agent, s.Subjects, f.Input.Likely/max(f.Calls, 1), f.Output.Likely/max(f.Calls, 1))
		}
	}
}
