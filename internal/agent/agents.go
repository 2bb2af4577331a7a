package agent

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/agent/tools"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
)

// SubjectScan is the subject of a briefing.
const SubjectScan = "scan"

// ClusterSubject and MetricSubject name the subjects that are no assets.
func ClusterSubject(id string) string { return "cluster:" + id }

// MetricSubject names a metric with several definitions.
func MetricSubject(id string) string { return "figure:" + id }

type briefingAnswer struct {
	Sentences []string `json:"sentences" desc:"each with at least one token of a fact, {F1}" min:"1" max:"3"`
}

// briefing gathers the facts of the last scan. They are about the whole
// connection, and so is what is said of them.
func (p *preparer) briefing(ctx context.Context, w *work) error {
	world := p.lens.World
	if !world.Whole {
		return errs.New(errs.Forbidden, "partial_view", "A briefing tells of the whole connection, and you see a part of it.", "Ask an admin for access to everything.")
	}
	f := &facts{}
	if err := p.scanFacts(ctx, f); err != nil {
		return err
	}
	w.subject, w.whole, w.schema, w.limits = SubjectScan, true, llm.SchemaOf[briefingAnswer]("briefing"), Limits{Steps: 1, Answer: 700, Tokens: 30_000}
	w.key = []any{world.Scan.ID}
	if err := w.add(mask.Constant("The facts:"), 1, true, factsDoc{f.text}); err != nil {
		return err
	}
	list, _, err := p.backend.Findings(ctx, world.Org, store.FindingQuery{
		Connection: world.Connection, States: []store.FindingState{store.FindingOpen}, Sort: store.SortImpact, Limit: 8,
	})
	if err != nil {
		return err
	}
	for i := range list {
		doc := p.lens.FindingDoc(p.backend, &list[i])
		if err := w.add(mask.Constant("An important open finding (its figures are no facts):"), 1/float64(i+1), false, doc.Finding); err != nil {
			return err
		}
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[briefingAnswer](raw)
		if err != nil {
			return err
		}
		text := &BriefingText{}
		for _, s := range answer.Sentences {
			pieces, why := f.sentence(p.lens, s)
			if why != "" {
				out.drop("A sentence was left out: " + why + ".")
				continue
			}
			text.Sentences = append(text.Sentences, pieces)
		}
		out.Briefing = text
		return nil
	}
	w.check = func(raw json.RawMessage) []mask.Text {
		var out Output
		if err := w.finish(raw, &out); err != nil || len(out.Briefing.Sentences) == 0 {
			return []mask.Text{mask.Constant("No sentence keeps the rule: every number is a token such as {F1}, and there is no other digit or number word.")}
		}
		return nil
	}
	return nil
}

type factsDoc struct {
	Facts []mask.Text `json:"facts"`
}

// scanFacts lists the figures of the last scan, each with its page.
func (p *preparer) scanFacts(ctx context.Context, f *facts) error {
	world := p.lens.World
	sum := world.Scan.Summary
	f.add(int64(sum.Health.Score), mask.Constant("health of the content, out of 100"), "findings")
	for _, k := range []catalog.Kind{catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindTable} {
		if n := sum.Counts[k]; n > 0 {
			f.add(int64(n), mask.Join(tools.Kind(k), mask.Constant("s in all")), "catalog?kind="+string(k))
		}
	}
	if c := sum.Changes; !c.First {
		scan := "scans/" + string(world.Scan.ID)
		f.add(int64(c.Added), mask.Constant("assets added since the scan before"), scan)
		f.add(int64(c.Changed), mask.Constant("assets changed since the scan before"), scan)
		f.add(int64(c.Removed), mask.Constant("assets removed since the scan before"), scan)
		f.add(int64(c.NewFindings), mask.Constant("new findings since the scan before"), "findings?sort=newest")
		f.add(int64(c.ResolvedFindings), mask.Constant("findings resolved since the scan before"), "findings?state=resolved")
	}
	count := func(q store.FindingQuery) (int64, error) {
		q.Connection, q.States, q.Limit = world.Connection, []store.FindingState{store.FindingOpen}, 1
		_, n, err := p.backend.Findings(ctx, world.Org, q)
		return int64(n), err
	}
	for _, s := range []finding.Severity{finding.Critical, finding.High, finding.Medium} {
		n, err := count(store.FindingQuery{Severities: []finding.Severity{s}})
		if err != nil {
			return err
		}
		f.add(n, mask.Join(mask.Constant("open findings of severity "), p.lens.Word(string(s))), "findings?severity="+string(s))
	}
	for _, family := range []struct {
		id   string
		says mask.Text
	}{
		{"BRK", mask.Constant("open findings about broken content")},
		{"USE", mask.Constant("open findings about unused content")},
		{"DUP", mask.Constant("open findings about duplicates")},
		{"MET", mask.Constant("open findings about contradicting metrics")},
		{"SEC", mask.Constant("open findings about exposure")},
		{"SQL", mask.Constant("open findings about questionable SQL")},
	} {
		n, err := count(store.FindingQuery{Families: []string{family.id}})
		if err != nil {
			return err
		}
		f.add(n, family.says, "findings?family="+family.id)
	}
	return nil
}

type explainerAnswer struct {
	Summary string   `json:"summary" desc:"one or two sentences" min:"1" max:"900"`
	Details []string `json:"details" max:"5"`
	Caveats []string `json:"caveats" max:"3"`
}

func (p *preparer) explainer(ctx context.Context, w *work) error {
	a, err := p.asset(w.subject)
	if err != nil {
		return err
	}
	r := a.Ref()
	switch r.Kind {
	case catalog.KindQuestion, catalog.KindModel, catalog.KindMetric, catalog.KindDashboard, catalog.KindTable:
	default:
		return errs.New(errs.Invalid, "not_explained", "Only questions, models, metrics, dashboards and tables are explained.", "")
	}
	w.schema, w.limits = llm.SchemaOf[explainerAnswer]("explanation"), Limits{Steps: 1, Answer: 900, Tokens: 30_000}
	if err := p.subject(ctx, w, r); err != nil {
		return err
	}
	if err := p.around(ctx, w, r); err != nil {
		return err
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[explainerAnswer](raw)
		if err != nil {
			return err
		}
		out.Explanation = &Explanation{Summary: Cite(p.lens, answer.Summary), Details: out.citedAll(p.lens, answer.Details), Caveats: out.citedAll(p.lens, answer.Caveats)}
		return nil
	}
	return nil
}

// subject adds the asset that an agent is about, with its open findings.
func (p *preparer) subject(ctx context.Context, w *work, r catalog.Ref, families ...string) error {
	const size = 10 << 10
	l := p.lens
	w.depend(l, r)
	doc := sourceDoc{Asset: l.Brief(r), Definition: l.Definition(r).Cut(size)}
	if err := w.add(mask.Constant("What it is about:"), 0, true, doc); err != nil {
		return err
	}
	list, err := p.findingsAbout(ctx, r, families...)
	if err != nil {
		return err
	}
	for i := range list {
		w.key = append(w.key, list[i].Fingerprint)
		if err := w.add(mask.Constant("An open finding about it:"), 2, false, l.FindingDoc(p.backend, &list[i])); err != nil {
			return err
		}
	}
	return nil
}

type memberAnswer struct {
	Ref  string `json:"ref"`
	Text string `json:"text" max:"600"`
}

type duplicatesAnswer struct {
	Keep        string         `json:"keep" desc:"ref of one member"`
	Why         string         `json:"why" min:"1" max:"600"`
	Differences []memberAnswer `json:"differences" max:"12"`
	Steps       []string       `json:"steps" max:"4"`
}

func (p *preparer) duplicates(ctx context.Context, w *work) error {
	id, ok := strings.CutPrefix(w.subject, "cluster:")
	found, err := p.backend.Similar(ctx, p.lens.World.Org, p.lens.World.Connection)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found.Clusters, func(c similar.Cluster) bool { return c.ID == id })
	if !ok || i < 0 {
		return errs.New(errs.NotFound, "not_found", "There is no such group of duplicates.", "It may be gone since the last scan.")
	}
	cluster, l := found.Clusters[i], p.lens
	w.schema, w.limits = llm.SchemaOf[duplicatesAnswer]("duplicates"), Limits{Steps: 1, Answer: 1_200, Tokens: 40_000}
	w.key = append(w.key, cluster.Members, cluster.Kind)
	if err := w.add(mask.Constant("The group:"), 0, true, l.Cluster(&cluster)); err != nil {
		return err
	}
	const size = 2 << 10
	for _, m := range cluster.Members {
		w.depend(l, m)
		weight := 1.0
		if m == cluster.Keep {
			weight = 3
		}
		if err := w.add(mask.Constant("A member:"), weight, false, sourceDoc{l.Brief(m), l.Definition(m).Cut(size)}); err != nil {
			return err
		}
		if m == cluster.Keep || cluster.Kind == similar.Exact {
			continue
		}
		if err := w.add(mask.Constant("How a member differs from the one that the rules keep:"), 2, false, l.Compare(ctx, cluster.Keep, m)); err != nil {
			return err
		}
	}
	member := func(text string) (catalog.Ref, bool) {
		r, err := l.Parse(text)
		return r, err == nil && slices.Contains(cluster.Members, r)
	}
	w.check = func(raw json.RawMessage) []mask.Text {
		answer, err := unmarshal[duplicatesAnswer](raw)
		if _, ok := member(answer.Keep); err != nil || !ok {
			return []mask.Text{mask.Constant("keep has to be the ref of a member of the group.")}
		}
		return nil
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[duplicatesAnswer](raw)
		if err != nil {
			return err
		}
		keep, _ := member(answer.Keep)
		advice := &DuplicateAdvice{Keep: keep, Agrees: keep == cluster.Keep, Why: Cite(l, answer.Why), Steps: out.citedAll(l, answer.Steps)}
		for _, d := range answer.Differences {
			r, ok := member(d.Ref)
			if !ok {
				out.drop("It described something that is not in the group: " + line(l.Conv.Unmask(d.Ref), 80))
				continue
			}
			if s := out.cited(l, d.Text); len(s) > 0 {
				advice.Differences = append(advice.Differences, MemberNote{r, s})
			}
		}
		out.Duplicates = advice
		return nil
	}
	return nil
}

type metricsAnswer struct {
	Definition  string   `json:"definition" desc:"id of one of the definitions"`
	Why         string   `json:"why" min:"1" max:"600"`
	Differences []string `json:"differences" max:"5"`
	Ask         string   `json:"ask" max:"400"`
}

func (p *preparer) metrics(ctx context.Context, w *work) error {
	id, ok := strings.CutPrefix(w.subject, "figure:")
	found, err := p.backend.Similar(ctx, p.lens.World.Org, p.lens.World.Connection)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(found.Conflicts, func(c similar.Conflict) bool { return c.ID == id && c.Kind == similar.OneName })
	if !ok || i < 0 {
		return errs.New(errs.NotFound, "not_found", "There is no such metric with several definitions.", "It may be settled since the last scan.")
	}
	conflict, l := found.Conflicts[i], p.lens
	w.schema, w.limits = llm.SchemaOf[metricsAnswer]("metric"), Limits{Steps: 1, Answer: 900, Tokens: 30_000}
	w.key = append(w.key, conflict.Name)
	if err := w.add(mask.Constant("The name:"), 0, true, nameDoc{l.Written(conflict.Name, 300)}); err != nil {
		return err
	}
	for i := range conflict.Definitions {
		d := &conflict.Definitions[i]
		w.key = append(w.key, d.ID, d.Text)
		if err := w.add(mask.Constant("A definition:"), 1/float64(i+1), i < 2, l.Meaning(d)); err != nil {
			return err
		}
	}
	known := func(id string) bool {
		return slices.ContainsFunc(conflict.Definitions, func(d similar.Definition) bool { return d.ID == id })
	}
	w.check = func(raw json.RawMessage) []mask.Text {
		answer, err := unmarshal[metricsAnswer](raw)
		if err != nil || !known(l.Conv.Unmask(answer.Definition)) {
			return []mask.Text{mask.Constant("definition has to be the id of one of the given definitions.")}
		}
		return nil
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[metricsAnswer](raw)
		if err != nil {
			return err
		}
		chosen := l.Conv.Unmask(answer.Definition)
		i := slices.IndexFunc(conflict.Definitions, func(d similar.Definition) bool { return d.ID == chosen })
		out.Metrics = &MetricAdvice{
			Definition: chosen, Text: conflict.Definitions[i].Text, Why: Cite(l, answer.Why), Differences: out.citedAll(l, answer.Differences), Ask: out.cited(l, answer.Ask),
		}
		return nil
	}
	return nil
}

type nameDoc struct {
	Name mask.Text `json:"name"`
}

type exposureAnswer struct {
	Risk    string   `json:"risk" enum:"none,low,medium,high"`
	Reasons []string `json:"reasons" min:"1" max:"4"`
	Steps   []string `json:"steps" max:"3"`
}

// exposureDoc says how content leaves Metabase's login.
type exposureDoc struct {
	PublicLink bool `json:"public_link"`
	Embedded   bool `json:"embedded"`
	Recipients int  `json:"recipients" desc:"people and addresses that get it by message"`
	Outside    int  `json:"outside" desc:"of them addresses that belong to nobody in this Metabase"`
}

func (p *preparer) exposure(ctx context.Context, w *work) error {
	a, err := p.asset(w.subject)
	if err != nil {
		return err
	}
	r, l := a.Ref(), p.lens
	doc := exposed(l.World.Index, a)
	if doc == (exposureDoc{}) {
		return errs.New(errs.Invalid, "not_exposed", "This does not leave Metabase: it has no public link, is not embedded and is sent to nobody.", "")
	}
	w.schema, w.limits = llm.SchemaOf[exposureAnswer]("exposure"), Limits{Steps: 1, Answer: 900, Tokens: 30_000}
	w.key = append(w.key, doc)
	if err := w.add(mask.Constant("How it leaves Metabase:"), 0, true, doc); err != nil {
		return err
	}
	if err := p.subject(ctx, w, r, "SEC"); err != nil {
		return err
	}
	if err := p.around(ctx, w, r); err != nil {
		return err
	}
	w.finish = func(raw json.RawMessage, out *Output) error {
		answer, err := unmarshal[exposureAnswer](raw)
		if err != nil {
			return err
		}
		out.Exposure = &ExposureAdvice{Risk: answer.Risk, Reasons: out.citedAll(l, answer.Reasons), Steps: out.citedAll(l, answer.Steps)}
		return nil
	}
	return nil
}

// Exposed reports whether an asset leaves Metabase's login, so that [Exposure] has
// something to say about it.
func Exposed(x *catalog.Index, a catalog.Asset) bool { return exposed(x, a) != exposureDoc{} }

// exposed says how an asset leaves Metabase's login; the zero doc when it does not.
func exposed(x *catalog.Index, a catalog.Asset) (doc exposureDoc) {
	sent := func(list []catalog.Delivery) {
		for _, d := range list {
			doc.Recipients += d.Recipients
			doc.Outside += d.ExternalRecipients
		}
	}
	switch a := a.(type) {
	case *catalog.Question:
		doc.PublicLink, doc.Embedded = a.Public, a.Embedded
		for _, alert := range x.Snapshot().Alerts {
			if alert.QuestionID == a.ID && !alert.Archived {
				sent(alert.Deliveries)
			}
		}
	case *catalog.Dashboard:
		doc.PublicLink, doc.Embedded = a.Public, a.Embedded
		for _, s := range x.Snapshot().Subscriptions {
			if s.DashboardID == a.ID && !s.Archived {
				sent(s.Deliveries)
			}
		}
	}
	return doc
}
