package llm

import (
	"regexp"
	"slices"
	"strings"
)

// Money is an amount in millionths of a US dollar.
type Money int64

// Dollar is one US dollar.
const Dollar Money = 1_000_000

// Price is what a million tokens of each kind cost.
type Price struct {
	Input      Money `json:"input"`
	Output     Money `json:"output"`
	CacheRead  Money `json:"cache_read"`
	CacheWrite Money `json:"cache_write"`
}

// Tariff is the prices of a model. Above LongFrom tokens of input, where it is
// not 0, every token of the request costs what Long says.
type Tariff struct {
	Price
	LongFrom int64 `json:"long_from,omitempty"`
	Long     Price `json:"long,omitzero"`
}

// batchShare is what a batch costs of the usual price: both providers halve it.
const batchShare = 2

const million = 1_000_000

// Cost is what a usage costs, rounded up to a millionth of a dollar.
func (t Tariff) Cost(u Usage, batch bool) Money {
	p := t.Price
	if t.LongFrom > 0 && u.Input+u.CacheRead+u.CacheWrite > t.LongFrom {
		p = t.Long
	}
	sum := u.Input*int64(p.Input) + u.CacheRead*int64(p.CacheRead) + u.CacheWrite*int64(p.CacheWrite) + u.Output*int64(p.Output)
	per := int64(million)
	if batch {
		per *= batchShare
	}
	return Money((sum + per - 1) / per)
}

// worst is the most that a number of tokens in and out can cost.
func (t Tariff) worst(in, out int64, batch bool) Money {
	dearest := Usage{Input: in, Output: out}
	if t.CacheWrite > t.Input {
		dearest = Usage{CacheWrite: in, Output: out}
	}
	return t.Cost(dearest, batch)
}

// Model is what is known of a model. Figures that are 0 are not known.
type Model struct {
	Provider  string  `json:"provider"` // anthropic, openai, compatible
	Name      string  `json:"name"`
	Title     string  `json:"title,omitempty"`
	Context   int64   `json:"context,omitempty"`    // tokens it can read and write together
	MaxOutput int64   `json:"max_output,omitempty"` // tokens it can write
	Tariff    *Tariff `json:"tariff,omitempty"`     // nil = the price is not known
	Effort    bool    `json:"effort,omitempty"`     // can be told how hard to think
	NoSchema  bool    `json:"no_schema,omitempty"`  // cannot hold its answer to a JSON schema
	Checked   string  `json:"checked,omitempty"`    // the day these figures were looked up, 2026-11-22
	Source    string  `json:"source,omitempty"`     // where
}

// The names of providers.
const (
	Anthropic  = "anthropic"
	OpenAI     = "openai"
	Compatible = "compatible" // any other server that speaks OpenAI's chat completions
)

// Providers lists the names of providers.
func Providers() []string { return []string{Anthropic, OpenAI, Compatible} }

// Catalog is the models with their limits and prices.
type Catalog struct {
	models []Model
}

// NewCatalog returns the built-in models with others added; one of the same
// provider and name replaces the built-in one.
func NewCatalog(more ...Model) Catalog {
	c := Catalog{models: builtIn()}
	for _, m := range more {
		i := slices.IndexFunc(c.models, func(have Model) bool { return have.Provider == m.Provider && have.Name == m.Name })
		if i >= 0 {
			c.models[i] = m
			continue
		}
		c.models = append(c.models, m)
	}
	return c
}

// All lists the models.
func (c Catalog) All() []Model { return slices.Clone(c.models) }

// dated is what providers put behind a name for the model of a certain day.
var dated = regexp.MustCompile(`-(\d{8}|\d{4}-\d{2}-\d{2})$`)

// Find returns what is known of a model; ok is false where it is nothing. A name
// with a date is the model without it.
func (c Catalog) Find(provider, name string) (m Model, ok bool) {
	for _, wanted := range []string{name, dated.ReplaceAllString(name, "")} {
		for _, m := range c.models {
			if m.Provider == provider && strings.EqualFold(m.Name, wanted) {
				m.Name = name
				return m, true
			}
		}
	}
	return Model{Provider: provider, Name: name}, false
}

// The figures below were taken on this day from the providers' public pages.
// They change: operators can set their own, and are told to check.
const builtInChecked = "2026-11-22"

const (
	anthropicSource = "https://platform.claude.com/docs/en/about-claude/pricing"
	openAISource    = "https://developers.openai.com/api/docs/pricing"

	kilo         = 1_000
	claudeLong   = 1_000 * kilo
	claudeOutput = 128 * kilo
	gptContext   = 1_050_000
	gptLongFrom  = 272 * kilo // above it input and cache cost twice, output one and a half times
	haikuFrom    = 100 * kilo
	cents        = Dollar / 100
)

func builtIn() []Model {
	claude := func(name, title string, input, output, read, write Money) Model {
		return Model{
			Provider: Anthropic, Name: name, Title: title, Context: claudeLong, MaxOutput: claudeOutput, Effort: true,
			Tariff:  &Tariff{Price: Price{Input: input, Output: output, CacheRead: read, CacheWrite: write}},
			Checked: builtInChecked, Source: anthropicSource,
		}
	}
	gpt := func(name, title string, input, output, read, write Money) Model {
		return Model{
			Provider: OpenAI, Name: name, Title: title, Context: gptContext, MaxOutput: claudeOutput, Effort: true,
			Tariff: &Tariff{
				Price:    Price{Input: input, Output: output, CacheRead: read, CacheWrite: write},
				LongFrom: gptLongFrom, Long: Price{Input: 2 * input, Output: output + output/2, CacheRead: 2 * read, CacheWrite: 2 * write},
			},
			Checked: builtInChecked, Source: openAISource,
		}
	}
	haiku := claude("claude-haiku-5-5", "Claude Haiku 5.5", 10*cents, 50*cents, cents, 125_000)
	haiku.Tariff.LongFrom, haiku.Tariff.Long = haikuFrom, Price{Input: 50 * cents, Output: 250 * cents, CacheRead: 5 * cents, CacheWrite: 625_000}
	small := claude("claude-haiku-4-5", "Claude Haiku 4.5", 1*Dollar, 5*Dollar, 10*cents, 125*cents)
	small.Context, small.MaxOutput, small.Effort = 200*kilo, 64*kilo, false
	return []Model{
		claude("claude-sonnet-5-5", "Claude Sonnet 5.5", 2*Dollar, 10*Dollar, 10*cents, 250*cents),
		claude("claude-opus-5-5", "Claude Opus 5.5", 4*Dollar, 20*Dollar, 20*cents, 5*Dollar),
		haiku,
		claude("claude-fable-5-1", "Claude Fable 5.1", 10*Dollar, 50*Dollar, 25*cents, 1250*cents),
		claude("claude-sonnet-5", "Claude Sonnet 5", 2*Dollar, 10*Dollar, 20*cents, 250*cents),
		claude("claude-opus-5", "Claude Opus 5", 5*Dollar, 25*Dollar, 50*cents, 625*cents),
		claude("claude-opus-4-8", "Claude Opus 4.8", 5*Dollar, 25*Dollar, 50*cents, 625*cents),
		small,
		gpt("gpt-6.1-sol", "GPT-6.1 Sol", 2*Dollar, 10*Dollar, 10*cents, 250*cents),
		gpt("gpt-6-sol", "GPT-6 Sol", 2*Dollar, 10*Dollar, 20*cents, 250*cents),
		gpt("gpt-6-luna", "GPT-6 Luna", 10*cents, 50*cents, cents, 125_000),
		gpt("gpt-5.6-luna", "GPT-5.6 Luna", 20*cents, 120*cents, 2*cents, 20*cents),
	}
}
