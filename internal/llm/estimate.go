package llm

// Estimate is a guess at tokens before a provider counted them. Between Low and
// High lie at least nine of ten of the texts that MetaLens sends: SQL, names and
// English prose; other scripts lie nearer to High.
type Estimate struct {
	Low, Likely, High int64
}

// Bytes of text to a token. Providers say about four characters of English to a
// token; SQL has more signs and short names, and the tokenizer of Claude 4.7 and
// later counts about 30% more tokens for the same text.
const (
	bytesPerTokenMost   = 4.5
	bytesPerTokenLikely = 3.2
	bytesPerTokenLeast  = 2.0
)

// frame is what each message and tool costs beside its text.
const frame = 8

// TokensOf guesses the tokens of a number of bytes of text.
func TokensOf(bytes int64) Estimate {
	return Estimate{
		Low:    int64(float64(bytes) / bytesPerTokenMost),
		Likely: int64(float64(bytes)/bytesPerTokenLikely) + 1,
		High:   int64(float64(bytes)/bytesPerTokenLeast) + 1,
	}
}

// Plus adds two estimates.
func (e Estimate) Plus(f Estimate) Estimate {
	return Estimate{e.Low + f.Low, e.Likely + f.Likely, e.High + f.High}
}

// Times multiplies an estimate.
func (e Estimate) Times(n int64) Estimate { return Estimate{e.Low * n, e.Likely * n, e.High * n} }

// Bytes is how much text a request holds, without the protocol around it.
func (r Request) Bytes() int64 {
	var n int
	for _, t := range r.System {
		n += len(t.String())
	}
	for _, m := range r.Messages {
		for _, p := range m.Parts {
			switch {
			case p.Text != nil:
				n += len(p.Text.String())
			case p.Call != nil:
				n += len(p.Call.Name) + len(p.Call.Args.String())
			case p.Result != nil:
				n += len(p.Result.Text.String())
			case p.Kept != nil:
				n += len(p.Kept.JSON.String())
			}
		}
	}
	for _, t := range r.Tools {
		n += len(t.Name) + len(t.Description.String()) + len(t.Input.JSON())
	}
	if r.Output != nil {
		n += len(r.Output.JSON())
	}
	return int64(n)
}

// Input guesses the tokens that a request is read as.
func (r Request) Input() Estimate {
	e := TokensOf(r.Bytes())
	overhead := int64(frame * (1 + len(r.Messages) + len(r.Tools)))
	return e.Plus(Estimate{overhead, overhead, overhead})
}

// Work is a kind of call that is going to be made many times, for
// [Model.Estimate].
type Work struct {
	Calls  int64
	Shared int64 // bytes of system prompt and tools, the same in each call
	Own    int64 // bytes of the rest, on average
	Output int64 // tokens of an answer, on average
	Cached bool  // [Request.CacheSystem] is set
	Batch  bool
}

// Forecast is what a number of calls will use. Money is meaningful where Known.
type Forecast struct {
	Calls             int64
	Input, Output     Estimate // tokens
	Low, Likely, High Money
	Known             bool // the price of the model is known
}

// outputSpread is how far answers lie around their average: half to double.
const outputSpread = 2

// Estimate guesses what work will cost with a model, before it begins. The likely
// figure takes averages; High takes every guess upward, and reads nothing from a
// cache.
func (m Model) Estimate(w Work) Forecast {
	f := Forecast{
		Calls: w.Calls, Input: TokensOf(w.Shared + w.Own).Times(w.Calls),
		Output: Estimate{w.Output / outputSpread, w.Output, w.Output * outputSpread}.Times(w.Calls),
	}
	if m.Tariff == nil || w.Calls == 0 {
		f.Known = m.Tariff != nil
		return f
	}
	shared, own := TokensOf(w.Shared), TokensOf(w.Own)
	cost := func(shared, own, out int64, cached bool) Money {
		if !cached {
			return Money(w.Calls) * m.Tariff.Cost(Usage{Input: shared + own, Output: out}, w.Batch)
		}
		first := m.Tariff.Cost(Usage{CacheWrite: shared, Input: own, Output: out}, w.Batch)
		return first + Money(w.Calls-1)*m.Tariff.Cost(Usage{CacheRead: shared, Input: own, Output: out}, w.Batch)
	}
	f.Known = true
	f.Low = cost(shared.Low, own.Low, w.Output/outputSpread, w.Cached)
	f.Likely = cost(shared.Likely, own.Likely, w.Output, w.Cached)
	f.High = cost(shared.High, own.High, w.Output*outputSpread, false)
	return f
}
