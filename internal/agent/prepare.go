package agent

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// work is what an agent is going to do about one subject.
type work struct {
	agent   Name
	subject string
	parts   []part
	schema  llm.Schema
	tools   []string // offered; empty = none
	limits  Limits
	key     []any // everything the answer depends on, for the content hash
	rests   []catalog.Ref
	whole   bool
	// check says what in an answer does not hold, to the model.
	check func(raw json.RawMessage) []mask.Text
	// finish turns an answer that holds into the output.
	finish func(raw json.RawMessage, out *Output) error
}

// hash names the content that an output is made of.
func (w *work) hash(prompt Prompt) (string, error) {
	data, err := json.Marshal([]any{w.agent, prompt.Version, w.subject, w.key})
	if err != nil {
		return "", fmt.Errorf("hash what %s is told: %w", w.agent, err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16]), nil
}

// preparer gathers what agents are told. Its lens is its own.
type preparer struct {
	backend tools.Backend
	lens    *tools.Lens
}

// prepare works out what an agent needs to know of a subject. errs.NotFound for
// a subject that is not there, errs.Invalid for one that the agent has nothing to
// say about.
func (p *preparer) prepare(ctx context.Context, agent Name, subject string) (*work, error) {
	p.lens.Restart()
	w := &work{agent: agent, subject: subject}
	var err error
	switch agent {
	case Briefing:
		err = p.briefing(ctx, w)
	case Explainer:
		err = p.explainer(ctx, w)
	case Duplicates:
		err = p.duplicates(ctx, w)
	case Metrics:
		err = p.metrics(ctx, w)
	case SQLReview:
		err = p.review(ctx, w)
	case Exposure:
		err = p.exposure(ctx, w)
	default:
		err = errs.New(errs.NotFound, "no_agent", "There is no such agent.", "")
	}
	if err != nil {
		return nil, err
	}
	w.rests = append(w.rests, p.lens.Told()...)
	return w, nil
}

// data writes a part's JSON.
func data(v any) (mask.Text, error) { return mask.JSON(v) }

func (w *work) add(title mask.Text, weight float64, must bool, v any) error {
	text, err := data(v)
	if err != nil {
		return err
	}
	w.parts = append(w.parts, part{title: title, data: text, weight: weight, must: must})
	return nil
}

// asset finds the subject.
func (p *preparer) asset(subject string) (catalog.Asset, error) {
	r, ok := catalog.ParseRef(subject)
	if ok {
		if a := p.lens.World.Index.Asset(r); a != nil {
			return a, nil
		}
	}
	return nil, errs.New(errs.NotFound, "not_found", "There is no such asset.", "It may have been deleted, or you may not see it.")
}

// findingsAbout lists the open findings about an asset with their evidence.
func (p *preparer) findingsAbout(ctx context.Context, r catalog.Ref, families ...string) (list []store.FindingRecord, err error) {
	const most = 10
	list, _, err = p.backend.Findings(ctx, p.lens.World.Org, store.FindingQuery{
		Connection: p.lens.World.Connection, Asset: r, Families: families, States: []store.FindingState{store.FindingOpen}, Sort: store.SortImpact, Limit: most,
	})
	return list, err
}

// around adds the assets beside one: what it is made from, nearest first, and who
// uses it.
func (p *preparer) around(ctx context.Context, w *work, r catalog.Ref) error {
	const (
		sources = 8
		size    = 3 << 10
	)
	l := p.lens
	steps := l.World.Graph.Upstream(r, 2)
	slices.SortStableFunc(steps, func(a, b lineage.Step) int {
		return cmp.Or(cmp.Compare(a.Distance, b.Distance), a.Asset.Compare(b.Asset))
	})
	for i, s := range steps {
		if i == sources {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.Asset.Kind == catalog.KindColumn || s.Asset.Kind == catalog.KindPerson {
			continue
		}
		doc := sourceDoc{Asset: l.Brief(s.Asset), Definition: l.Definition(s.Asset).Cut(size)}
		if err := w.add(mask.Constant("Something it is made from:"), 1/float64(s.Distance), false, doc); err != nil {
			return err
		}
		w.depend(l, s.Asset)
	}
	return nil
}

type sourceDoc struct {
	Asset      tools.Brief `json:"asset"`
	Definition mask.Text   `json:"definition"`
}

// depend notes that the answer depends on an asset's definition.
func (w *work) depend(l *tools.Lens, r catalog.Ref) {
	w.key = append(w.key, r, l.World.Index.Asset(r))
}

// cited turns a text into segments; one that names what there is not is left out.
func (o *Output) cited(l *tools.Lens, text string) []Segment {
	segments := Cite(l, text)
	for _, s := range segments {
		if s.Unknown {
			o.drop("It named something that does not exist: " + line(s.Text, 80))
			return nil
		}
	}
	return segments
}

func (o *Output) drop(why string) { o.Dropped = append(o.Dropped, why) }

// citedAll is cited for a list; nothing remains of empty texts.
func (o *Output) citedAll(l *tools.Lens, texts []string) (out [][]Segment) {
	for _, t := range texts {
		if strings.TrimSpace(t) == "" {
			continue
		}
		if s := o.cited(l, t); len(s) > 0 {
			out = append(out, s)
		}
	}
	return out
}

// unmarshal reads an answer whose shape was checked.
func unmarshal[T any](raw json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		return v, errs.Wrap(err, errs.Unavailable, llm.CodeOutput, "The model's answer has not the form that was asked for.", "Try again.")
	}
	return v, nil
}
