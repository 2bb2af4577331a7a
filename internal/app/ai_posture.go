package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/llm/anthropic"
	"github.com/metalens/metalens/internal/llm/openai"
	"github.com/metalens/metalens/internal/posture"
	"github.com/metalens/metalens/internal/store"
)

// modelHost is the host of the provider that an organization's calls go to.
func modelHost(st ai.Status) string {
	switch st.Provider {
	case llm.Anthropic:
		return hostOf(anthropic.BaseURL)
	case llm.OpenAI:
		return hostOf(openai.BaseURL)
	}
	return hostOf(st.Host)
}

// modelFact says in one line which provider gets anything; the recipient is
// listed where AI is on.
func modelFact(st ai.Status) posture.Fact {
	f := posture.Fact{Label: "Model providers", State: posture.Fine, Source: posture.Records, Proof: "Settings, AI"}
	switch {
	case st.Provider == "":
		f.Value, f.Source = "none is set up", posture.Configuration
	case st.Stopped:
		f.Value = "none: an operator stopped everything that goes to models"
	case !st.Enabled:
		f.Value = "none: AI is switched off for this organization"
	default:
		f.Value = modelHost(st)
	}
	return f
}

// modelSection says what a model gets, from whom, and under which terms.
func (p securityPages) modelSection(ctx context.Context, org store.OrgID, st ai.Status) (posture.Section, error) {
	s := posture.Section{
		ID: "models", Title: "Model providers",
		Intro: "Everything that MetaLens works out by itself works without a model. Only masked text can reach one: the program has no way to send anything else.",
		Facts: []posture.Fact{modelFact(st)},
	}
	add := func(label, value string, state posture.State, source posture.Source, proof string) {
		s.Facts = append(s.Facts, posture.Fact{Label: label, Value: value, State: state, Source: source, Proof: proof})
	}
	if st.Provider == "" {
		return s, nil
	}
	key := "the installation’s"
	if st.OwnKey {
		key = "the organization’s own, encrypted for it"
	}
	add("Key", key, posture.Fine, posture.Records, "")
	var names []string
	for _, t := range ai.Tasks() {
		if m := st.Models[t]; m != "" && !slices.Contains(names, m) {
			names = append(names, m)
		}
	}
	add("Models", strings.Join(names, ", "), posture.Fine, posture.Records, "Settings, AI")
	add("What is masked", "names of sensitive columns, values in SQL, and what detectors find in titles and descriptions", posture.Fine, posture.BuiltIn, "Settings, Sensitive columns")
	mode := "names of content that is not sensitive are sent"
	if st.Strict {
		mode = "ids are sent in place of names"
	}
	add("Names of content", mode, posture.Fine, posture.Records, "Settings, AI")
	add("Batches", "not used", posture.Fine, posture.BuiltIn, "")
	declared := func(label, value string) {
		if value == "" {
			add(label, "not declared by whoever runs this installation", posture.Unknown, posture.Configuration, "")
			return
		}
		add(label, value, posture.Fine, posture.Configuration, "")
	}
	declared("Trains on what it gets", st.Terms.Training)
	declared("Keeps what it gets", st.Terms.Retention)
	declared("Agreement with the provider", st.Terms.Agreement)
	declared("Terms looked up", st.Terms.Checked)
	rules, conns := 0, 0
	err := p.store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.Connections(ctx)
		if err != nil {
			return err
		}
		for _, c := range list {
			own, err := tx.SensitivityRules(ctx, c.ID)
			if err != nil {
				return err
			}
			conns++
			rules += len(own)
		}
		return nil
	})
	if err != nil {
		return s, err
	}
	add("Rules about sensitive columns", fmt.Sprintf("%d on %d connections", rules, conns), posture.Fine, posture.Records, "Settings, Sensitive columns")
	return s, nil
}
