package config

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/secret"
)

// AI are the defaults of how models are used. An organization switches them on
// for itself; nothing here does.
type AI struct {
	Provider     string // anthropic, openai, compatible; empty = the one whose key is set
	BaseURL      string // of a server that speaks OpenAI's protocol
	AnthropicKey secret.Value
	OpenAIKey    secret.Value
	ModelChat    string
	ModelReview  string
	ModelScan    string
	BudgetTokens int64    // per organization and month
	BudgetMicros int64    // per organization and month, in millionths of a US dollar
	CallTokens   int64    // of one call
	CallMicros   int64    // of one call
	BaseURLs     []string // of which an organization may choose
	ModelsFile   string   // JSON list of further models with limits and prices
	Terms        map[string]AITerms
}

// AITerms are what a provider does with what it is sent, as whoever runs the
// installation declares it. Empty fields were not declared.
type AITerms struct {
	Training  string // whether it trains on it
	Retention string // how long it keeps it
	Agreement string // what was agreed on with it
	Checked   string // the day this was looked up, 2026-11-22
}

// aiProviders are the names of providers as settings spell them.
func aiProviders() []string { return []string{"anthropic", "openai", "compatible"} }

// The limits of one organization where nothing else is set.
const (
	defaultBudgetTokens = 20_000_000
	defaultBudgetMicros = 50 * microsPerDollar
	defaultCallTokens   = 400_000
	defaultCallMicros   = 3 * microsPerDollar
	microsPerDollar     = 1_000_000
	maxTokens           = 1_000_000_000_000
	maxDollars          = 1_000_000
)

func defaultAI() AI {
	return AI{
		BudgetTokens: defaultBudgetTokens, BudgetMicros: defaultBudgetMicros, CallTokens: defaultCallTokens, CallMicros: defaultCallMicros,
		Terms: map[string]AITerms{},
	}
}

func aiKeys() []Key {
	list := []Key{
		{
			Name: "ai.provider", Env: []string{"METALENS_AI_PROVIDER"},
			Help: "provider of models that organizations get: anthropic, openai, or compatible (any server that speaks OpenAI's protocol); empty = the one whose key is set",
			set: func(c *Config, v string) error {
				if v == "" {
					c.AI.Provider = ""
					return nil
				}
				return setOneOf(&c.AI.Provider, v, aiProviders()...)
			},
			show: func(c *Config) string { return c.AI.Provider },
		},
		{
			Name: "ai.anthropic_key", Env: []string{"ANTHROPIC_API_KEY", "METALENS_AI_ANTHROPIC_KEY"}, Secret: true,
			Help: "key of Anthropic that organizations without one of their own use",
			set:  func(c *Config, v string) error { return setToken(&c.AI.AnthropicKey, v) },
			show: func(c *Config) string { return showSecret(c.AI.AnthropicKey) },
		},
		{
			Name: "ai.openai_key", Env: []string{"OPENAI_API_KEY", "METALENS_AI_OPENAI_KEY"}, Secret: true,
			Help: "key of OpenAI, or of the server at ai.base_url; it must come from the same place as that address",
			set:  func(c *Config, v string) error { return setToken(&c.AI.OpenAIKey, v) },
			show: func(c *Config) string { return showSecret(c.AI.OpenAIKey) },
		},
		{
			Name: "ai.base_url", Env: []string{"OPENAI_BASE_URL", "METALENS_AI_BASE_URL"},
			Help: "address of a server that speaks OpenAI's protocol, such as a model of your own: http://127.0.0.1:11434/v1",
			set:  func(c *Config, v string) error { return setHTTPURL(&c.AI.BaseURL, v) },
			show: func(c *Config) string { return c.AI.BaseURL },
		},
		{
			Name: "ai.base_urls", Env: []string{"METALENS_AI_BASE_URLS"},
			Help: "further such addresses that an organization may choose with a key of its own, comma separated; it cannot enter others",
			set:  func(c *Config, v string) error { return setURLs(&c.AI.BaseURLs, v) },
			show: func(c *Config) string { return strings.Join(c.AI.BaseURLs, ",") },
		},
		aiText("model_chat", "model of chats and of writing SQL; empty = one that fits the provider", func(a *AI) *string { return &a.ModelChat }),
		aiText("model_review", "model of reviews: duplicates, metrics, SQL, exposure; empty = one that fits the provider", func(a *AI) *string { return &a.ModelReview }),
		aiText("model_scan", "model of what is made in numbers: explanations and briefings; empty = one that fits the provider", func(a *AI) *string { return &a.ModelScan }),
		{
			Name: "ai.budget_tokens", Env: []string{"METALENS_AI_BUDGET_TOKENS"},
			Help: "tokens that an organization may use in a month (UTC); with the key above, no organization can raise it",
			set:  func(c *Config, v string) error { return setTokens(&c.AI.BudgetTokens, v) },
			show: func(c *Config) string { return strconv.FormatInt(c.AI.BudgetTokens, 10) },
		},
		{
			Name: "ai.budget_usd", Env: []string{"METALENS_AI_BUDGET_USD"},
			Help: "US dollars that an organization may use in a month; not applied to models without a known price, where the tokens hold",
			set:  func(c *Config, v string) error { return setDollars(&c.AI.BudgetMicros, v) },
			show: func(c *Config) string { return dollars(c.AI.BudgetMicros) },
		},
		{
			Name: "ai.call_tokens", Env: []string{"METALENS_AI_CALL_TOKENS"},
			Help: "tokens that one call of a model may use",
			set:  func(c *Config, v string) error { return setTokens(&c.AI.CallTokens, v) },
			show: func(c *Config) string { return strconv.FormatInt(c.AI.CallTokens, 10) },
		},
		{
			Name: "ai.call_usd", Env: []string{"METALENS_AI_CALL_USD"},
			Help: "US dollars that one call of a model may cost",
			set:  func(c *Config, v string) error { return setDollars(&c.AI.CallMicros, v) },
			show: func(c *Config) string { return dollars(c.AI.CallMicros) },
		},
		{
			Name: "ai.models_file", Env: []string{"METALENS_AI_MODELS_FILE"}, Path: true,
			Help: "JSON file of models with their limits and prices, beside the built-in ones or instead of them (docs/guide/ai-settings.md)",
			set:  func(c *Config, v string) error { return setPath(&c.AI.ModelsFile, v) },
			show: func(c *Config) string { return c.AI.ModelsFile },
		},
	}
	for _, provider := range aiProviders() {
		for _, f := range []struct {
			name, help string
			field      func(*AITerms) *string
		}{
			{"training", "whether this provider trains on what it is sent, as you agreed on with it; shown where people switch AI on", func(t *AITerms) *string { return &t.Training }},
			{"retention", "how long it keeps what it is sent", func(t *AITerms) *string { return &t.Retention }},
			{"agreement", "what was agreed on with it, such as a data processing agreement and its date", func(t *AITerms) *string { return &t.Agreement }},
			{"checked", "the day you looked these terms up, such as 2026-11-22", func(t *AITerms) *string { return &t.Checked }},
		} {
			list = append(list, aiTerm(provider, f.name, f.help, f.field))
		}
	}
	return list
}

func aiText(name, help string, field func(*AI) *string) Key {
	return Key{
		Name: "ai." + name, Env: []string{"METALENS_AI_" + strings.ToUpper(name)}, Help: help,
		set:  func(c *Config, v string) error { return setText(field(&c.AI), v) },
		show: func(c *Config) string { return *field(&c.AI) },
	}
}

func aiTerm(provider, name, help string, field func(*AITerms) *string) Key {
	return Key{
		Name: "ai." + provider + "_" + name, Env: []string{"METALENS_AI_" + strings.ToUpper(provider+"_"+name)}, Help: help,
		set: func(c *Config, v string) error {
			t := c.AI.Terms[provider]
			if err := setText(field(&t), v); err != nil {
				return err
			}
			c.AI.Terms[provider] = t
			return nil
		},
		show: func(c *Config) string {
			t := c.AI.Terms[provider]
			return *field(&t)
		},
	}
}

func setTokens(to *int64, v string) error {
	n, err := strconv.ParseInt(strings.ReplaceAll(v, "_", ""), 10, 64)
	if err != nil || n < 0 || n > maxTokens {
		return errors.New("is not a number of tokens, such as 20000000")
	}
	*to = n
	return nil
}

func setDollars(to *int64, v string) error {
	n, err := strconv.ParseFloat(v, 64)
	if err != nil || math.IsNaN(n) || n < 0 || n > maxDollars {
		return errors.New("is not an amount of US dollars, such as 25 or 0.50")
	}
	*to = int64(math.Round(n * microsPerDollar))
	return nil
}

func dollars(micros int64) string {
	return strconv.FormatFloat(float64(micros)/microsPerDollar, 'f', -1, 64)
}

func setURLs(to *[]string, v string) error {
	var list []string
	for part := range strings.SplitSeq(v, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		var one string
		if err := setHTTPURL(&one, part); err != nil {
			return fmt.Errorf("has %q, which %w", part, err)
		}
		list = append(list, one)
	}
	*to = list
	return nil
}

// guardModelKey drops the key of OpenAI where the address that it would be sent
// to comes from another place: somebody who can write a .env file must not be
// able to receive the key of the environment.
func (l *Loaded) guardModelKey() {
	if l.Config.AI.BaseURL == "" || l.Config.AI.OpenAIKey.IsZero() {
		return
	}
	address, key := l.Origin("ai.base_url"), l.Origin("ai.openai_key")
	if address.Source == key.Source {
		return
	}
	l.Config.AI.OpenAIKey = secret.Value{}
	host := l.Config.AI.BaseURL
	if u, err := url.Parse(host); err == nil {
		host = u.Host
	}
	l.Warnings = append(l.Warnings, fmt.Sprintf("The key from %s was left out: it would be sent to %s, which comes from %s. Give both in the same place.", key, host, address))
}
