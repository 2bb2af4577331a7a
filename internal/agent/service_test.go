package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/agent"
	"github.com/metalens/metalens/internal/agent/agenttest"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/similar"
	"github.com/metalens/metalens/internal/store"
)

// bench is a service over the sample company and a store of its own.
type bench struct {
	*backend
	t       *testing.T
	store   *store.Store
	setups  *setups
	model   *agenttest.Model
	door    *agenttest.Door
	service *agent.Service
	org     store.OrgID
	conn    store.ConnectionID
}

func newBench(t *testing.T, m *agenttest.Model) *bench {
	t.Helper()
	return newBenchOf(t, m, sample(t))
}

func newBenchOf(t *testing.T, m *agenttest.Model, over *backend) *bench {
	t.Helper()
	b := &bench{t: t, backend: over, setups: newSetups(t), model: m}
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ctx := access.AsSystem(t.Context())
	if b.store, err = store.Open(ctx, store.Config{Dir: t.TempDir(), Keys: set, Now: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.store.Close(); err != nil {
			t.Error(err)
		}
	})
	err = b.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Larkspur"})
		b.org = o.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = b.store.InOrg(ctx, b.org, func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.InsertConnection(ctx, store.Connection{Name: "Main", URL: "https://bi.example", Auth: store.AuthAPIKey})
		b.conn = c.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w := *b.world
	w.Org, w.Connection = b.org, b.conn
	b.world = &w
	b.door = door(t, m)
	b.service, err = agent.New(agent.Config{Store: b.store, Backend: b.backend, Models: b.door, Setups: b.setups, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) as(role access.Role) context.Context {
	return access.With(b.t.Context(), access.Actor{Kind: access.Person, User: "ada", Org: string(b.org), Role: role})
}

func (b *bench) make(name agent.Name, subject string) (*agent.Output, error) {
	b.t.Helper()
	return b.service.Make(b.as(access.Viewer), b.org, b.conn, name, subject, false, nil)
}

// answers is one answer for each request, the last one for all that follow.
func answers(list ...string) *agenttest.Model {
	return &agenttest.Model{Reply: func(n int, _ llm.Request) agenttest.Answer {
		return agenttest.Answer{Output: json.RawMessage(list[min(n, len(list)-1)])}
	}}
}

func plain(segments []agent.Segment) string {
	var b strings.Builder
	for _, s := range segments {
		if s.Ref.IsZero() {
			b.WriteString(s.Text)
		} else {
			b.WriteString("→" + s.Ref.String())
		}
	}
	return b.String()
}

// TestBriefing keeps the sentences whose every number is a fact.
func TestBriefing(t *testing.T) {
	b := newBench(t, answers(`{"sentences":["Health is at {F1} of a hundred, and 12 questions broke.","Health stands at {F1}.","There are {F999} problems."]}`))
	out, err := b.make(agent.Briefing, agent.SubjectScan)
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Briefing.Sentences) != 1 || len(out.Dropped) != 2 {
		t.Fatalf("%+v, dropped %v", out.Briefing, out.Dropped)
	}
	fact := out.Briefing.Sentences[0][1].Fact
	if fact == nil || fact.Value != int64(b.world.Scan.Summary.Health.Score) || fact.Path != "findings" {
		t.Errorf("%+v", fact)
	}
	if !strings.Contains(b.model.Sent(), "F1 = ") {
		t.Error("the facts were not sent")
	}
	for name, sentence := range map[string]string{
		"no fact": "All is well.", "a digit": "There are 3, says {F1}.", "a word": "Twelve of {F1} are unused.", "a share": "Half of {F1} is gone.",
		"an unknown asset": "[dashboard:999999] has {F1} findings.", "an unknown fact": "It has {F77}.", "a date": "Since 2026-09-01 {F1} came.",
	} {
		b := newBench(t, answers(`{"sentences":[`+fmt.Sprintf("%q", sentence)+`]}`))
		if _, err := b.make(agent.Briefing, agent.SubjectScan); errs.CodeOf(err) != llm.CodeOutput || len(b.model.Requests()) != 2 {
			t.Errorf("%s: %v after %d requests", name, err, len(b.model.Requests()))
		}
	}
}

// TestOutputsAreKeptUntilTheyChange asks a model once, and again when the content
// has changed.
func TestOutputsAreKeptUntilTheyChange(t *testing.T) {
	b := newBench(t, answers(`{"summary":"Shows orders.","details":["From [table:1]."],"caveats":["Nothing about [question:987654]."]}`))
	var q *catalog.Question
	for _, x := range b.world.Index.Snapshot().Questions {
		if x.Query.Language == catalog.LanguageSQL {
			q = x
			break
		}
	}
	subject := q.Ref().String()
	if _, err := b.service.Output(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject); errs.KindOf(err) != errs.NotFound {
		t.Errorf("before: %v", err)
	}
	out, err := b.make(agent.Explainer, subject)
	if err != nil {
		t.Fatal(err)
	}
	if plain(out.Explanation.Summary) != "Shows orders." || len(out.Explanation.Caveats) != 0 || len(out.Dropped) != 1 {
		t.Errorf("%+v, dropped %v", out.Explanation, out.Dropped)
	}
	if _, err := b.make(agent.Explainer, subject); err != nil || len(b.model.Requests()) != 1 {
		t.Errorf("asked again: %v, %d requests", err, len(b.model.Requests()))
	}
	kept, err := b.service.Output(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject)
	if err != nil || kept.Stale || kept.Model != "scripted" || kept.Cost == nil || *kept.Cost == 0 || kept.PromptVersion == "" || kept.At != start || plain(kept.Explanation.Summary) != "Shows orders." {
		t.Errorf("%v, %+v", err, kept)
	}
	was := q.Query.SQL
	q.Query.SQL += " -- changed"
	defer func() { q.Query.SQL = was }()
	if kept, err = b.service.Output(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject); err != nil || !kept.Stale {
		t.Errorf("a change is not seen: %v", err)
	}
	if _, err := b.make(agent.Explainer, subject); err != nil || len(b.model.Requests()) != 2 {
		t.Errorf("not made anew: %v, %d requests", err, len(b.model.Requests()))
	}
	if _, err := b.service.Make(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject, true, nil); err != nil || len(b.model.Requests()) != 3 {
		t.Errorf("not made again when asked for: %v", err)
	}
	list, err := b.service.Outputs(b.as(access.Viewer), b.org, b.conn, "")
	if err != nil || len(list) != 1 {
		t.Errorf("%v, %d outputs", err, len(list))
	}
}

// TestOutputsKeepToTheReader hides what rests on something hidden.
func TestOutputsKeepToTheReader(t *testing.T) {
	b := newBench(t, answers(`{"summary":"Shows orders.","details":[],"caveats":[]}`))
	subject := b.world.Index.Snapshot().Dashboards[0].Ref().String()
	out, err := b.make(agent.Explainer, subject)
	if err != nil {
		t.Fatal(err)
	}
	whole := b.world
	part := *whole
	part.Whole = false
	hidden := out.Rests[len(out.Rests)-1]
	part.Sees = func(r catalog.Ref) bool { return r != hidden }
	b.world = &part
	if _, err := b.service.Output(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject); errs.KindOf(err) != errs.NotFound {
		t.Errorf("it rests on %s: %v", hidden, err)
	}
	if _, err := b.make(agent.Briefing, agent.SubjectScan); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("a briefing of a part: %v", err)
	}
	if _, err := b.make(agent.Explainer, subject); err != nil {
		t.Error(err)
	}
	b.world = whole
	kept, err := b.service.Output(b.as(access.Viewer), b.org, b.conn, agent.Explainer, subject)
	if err != nil || kept.At != out.At || len(kept.Rests) != len(out.Rests) {
		t.Errorf("somebody with a part replaced what all see: %v", err)
	}
	other := access.With(t.Context(), access.Actor{Kind: access.Person, User: "eve", Org: "other", Role: access.Owner})
	if _, err := b.service.Output(other, b.org, b.conn, agent.Explainer, subject); errs.KindOf(err) != errs.NotFound {
		t.Errorf("another organization: %v", err)
	}
	if _, err := b.service.Make(access.Nobody(t.Context()), b.org, b.conn, agent.Explainer, subject, false, nil); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("nobody: %v", err)
	}
}

func TestDuplicates(t *testing.T) {
	b := newBench(t, nil)
	var c similar.Cluster
	for _, x := range b.similar.Clusters {
		if len(x.Members) > 1 {
			c = x
			break
		}
	}
	keep, other := c.Members[0], c.Members[1]
	b = newBench(t, answers(
		`{"keep":"question:99999","why":"x","differences":[],"steps":[]}`,
		fmt.Sprintf(`{"keep":%q,"why":"It is used most.","differences":[{"ref":%q,"text":"Counts all."},{"ref":"question:99999","text":"?"}],"steps":["Move what uses [%s]."]}`, keep, other, other)))
	out, err := b.make(agent.Duplicates, agent.ClusterSubject(c.ID))
	if err != nil {
		t.Fatal(err)
	}
	d := out.Duplicates
	if d.Keep != keep || d.Agrees != (keep == c.Keep) || len(d.Differences) != 1 || d.Differences[0].Ref != other || len(d.Steps) != 1 || len(out.Dropped) != 1 {
		t.Errorf("%+v, dropped %v", d, out.Dropped)
	}
	if len(b.model.Requests()) != 2 {
		t.Errorf("%d requests", len(b.model.Requests()))
	}
	if _, err := b.make(agent.Duplicates, agent.ClusterSubject("nothing")); errs.KindOf(err) != errs.NotFound {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	b := newBench(t, nil)
	var c similar.Conflict
	for _, x := range b.similar.Conflicts {
		if x.Kind == similar.OneName {
			c = x
			break
		}
	}
	if c.ID == "" {
		t.Fatal("the sample company has no conflict")
	}
	b = newBench(t, answers(`{"definition":"0000","why":"x","differences":[],"ask":""}`,
		`{"definition":"`+c.Definitions[1].ID+`","why":"Most content uses it.","differences":["The other counts refunds."],"ask":"Do refunds count?"}`))
	out, err := b.make(agent.Metrics, agent.MetricSubject(c.ID))
	if err != nil || out.Metrics.Definition != c.Definitions[1].ID || len(out.Metrics.Differences) != 1 || plain(out.Metrics.Ask) != "Do refunds count?" {
		t.Errorf("%v, %+v", err, out)
	}
}

// TestSQLReview checks what is suggested before anybody sees it.
func TestSQLReview(t *testing.T) {
	b := newBench(t, nil)
	var q *catalog.Question
	for _, x := range b.world.Index.Snapshot().Questions {
		if x.Query.Language == catalog.LanguageSQL && !strings.Contains(x.Query.SQL, "{{") && strings.Contains(strings.ToLower(x.Query.SQL), "orders") && x.Name != injectedName {
			q = x
			break
		}
	}
	review := func(sql string, more ...string) *agent.Output {
		t.Helper()
		data, err := json.Marshal(map[string]any{"verdict": "improve", "remarks": []string{"Slow."}, "sql": sql})
		if err != nil {
			t.Fatal(err)
		}
		b := newBench(t, answers(append([]string{string(data)}, more...)...))
		out, err := b.make(agent.SQLReview, q.Ref().String())
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		return out
	}
	none := `{"verdict":"improve","remarks":["Slow."],"sql":null}`
	if s := review(q.Query.SQL).Review.Suggestion; !s.Parsed || !s.Resolved || !s.ReadOnly || !s.Equivalent {
		t.Errorf("the query itself: %+v", s)
	}
	if s := review("```sql\n" + q.Query.SQL + "\n```").Review.Suggestion; !s.Equivalent {
		t.Errorf("in a fence: %+v", s)
	}
	if s := review("select no_such_column from orders").Review.Suggestion; !s.Parsed || s.Resolved || s.Equivalent || len(s.Problems) == 0 {
		t.Errorf("an unknown column: %+v", s)
	}
	for _, sql := range []string{"drop table orders", "selec t from", "delete from orders; select 1", "insert into orders select 1"} {
		if out := review(sql, none); out.Review.Suggestion != nil {
			t.Errorf("%s was suggested: %+v", sql, out.Review.Suggestion)
		}
	}
}

// TestLostTags keeps a question's filters.
func TestLostTags(t *testing.T) {
	b := newBench(t, nil)
	for _, x := range b.world.Index.Snapshot().Questions {
		if x.Query.Language != catalog.LanguageSQL || !strings.Contains(x.Query.SQL, "{{") {
			continue
		}
		b := newBench(t, answers(`{"verdict":"improve","remarks":[],"sql":"select 1"}`))
		out, err := b.make(agent.SQLReview, x.Ref().String())
		if err != nil || out.Review.Suggestion != nil || len(out.Dropped) != 1 {
			t.Errorf("%v, %+v", err, out)
		}
		return
	}
	t.Fatal("no question with tags")
}

func TestExposure(t *testing.T) {
	b := newBench(t, answers(`{"risk":"high","reasons":["Anybody with the link reads it."],"steps":["Remove the link."]}`))
	for a := range b.world.Index.Snapshot().All() {
		public := false
		switch a := a.(type) {
		case *catalog.Question:
			public = a.Public
		case *catalog.Dashboard:
			public = a.Public
		}
		if !public {
			continue
		}
		out, err := b.make(agent.Exposure, a.Ref().String())
		if err != nil || out.Exposure.Risk != "high" || len(out.Exposure.Steps) != 1 {
			t.Errorf("%v, %+v", err, out)
		}
		if _, err := b.make(agent.Exposure, find(t, b.backend, injectedName).String()); errs.CodeOf(err) != "not_exposed" {
			t.Error(err)
		}
		return
	}
	t.Fatal("nothing is public in the sample company")
}

// TestWriter looks for tables and checks what it writes.
func TestWriter(t *testing.T) {
	m := &agenttest.Model{Reply: func(n int, _ llm.Request) agenttest.Answer {
		return []agenttest.Answer{
			tool("search_assets", `{"query":"orders","kinds":["table"]}`),
			tool("check_sql", `{"database":"database:1","sql":"select count(*) from orders"}`),
			{Output: json.RawMessage(`{"sql":"select count(*) from orders","explanation":"Counts orders.","assumptions":["All of them."]}`)},
		}[min(n, 2)]
	}}
	b := newBench(t, m)
	db := b.world.Index.Snapshot().Databases[0]
	var words []string
	out, err := b.service.Write(b.as(access.Viewer), b.org, b.conn, db.ID, "How many orders are there?", func(e agent.Event) error {
		if e.Kind == agent.EventToolDone {
			words = append(words, e.Words)
		}
		return nil
	})
	if err != nil || !out.Draft.Parsed || len(out.Draft.Assumptions) != 1 || len(words) != 2 || len(out.Transcript) != 5 {
		t.Errorf("%v, %+v, %q", err, out, words)
	}
}

// TestFailuresSaySo passes on what is wrong with the models.
func TestFailuresSaySo(t *testing.T) {
	off := errs.New(errs.Forbidden, llm.CodeOff, "The assistant is switched off.", "")
	b := newBench(t, answers(`{}`))
	b.setups.err = off
	if _, err := b.make(agent.Briefing, agent.SubjectScan); errs.CodeOf(err) != llm.CodeOff || len(b.model.Requests()) != 0 {
		t.Error(err)
	}
	b.setups.err = nil
	b.door.Stopped = true
	if _, err := b.make(agent.Briefing, agent.SubjectScan); errs.KindOf(err) != errs.Forbidden || len(b.model.Requests()) != 0 {
		t.Errorf("stopped by the operator: %v", err)
	}
	b.door.Stopped = false
	b.door.Budget.Month = llm.Cap{Tokens: 10, Money: llm.Unlimited}
	if _, err := b.make(agent.Briefing, agent.SubjectScan); errs.CodeOf(err) != llm.CodeTokens {
		t.Errorf("budget: %v", err)
	}
	refused := newBench(t, &agenttest.Model{Reply: func(int, llm.Request) agenttest.Answer { return agenttest.Answer{Text: "No.", Refused: true} }})
	if _, err := refused.make(agent.Briefing, agent.SubjectScan); errs.CodeOf(err) != llm.CodeRefused {
		t.Errorf("refused: %v", err)
	}
}

// TestAfterScan plans, works within its cap, and does nothing twice.
func TestAfterScan(t *testing.T) {
	b := newBench(t, &agenttest.Model{Reply: reply})
	system := access.AsSystem(t.Context())
	if r, err := b.service.RunAfterScan(system, b.org, b.conn); err != nil || r.Made != 0 || len(b.model.Requests()) != 0 {
		t.Errorf("nobody asked for it: %v, %+v", err, r)
	}
	all := agent.AfterScan{Agents: []agent.Name{agent.Briefing, agent.Explainer, agent.Duplicates, agent.Metrics, agent.SQLReview, agent.Exposure}, Money: 100 * llm.Dollar, Tokens: 100_000_000}
	if err := b.service.SetAfterScan(b.as(access.Editor), b.org, b.conn, all); errs.KindOf(err) != errs.Forbidden {
		t.Errorf("an editor set it: %v", err)
	}
	if err := b.service.SetAfterScan(b.as(access.Admin), b.org, b.conn, agent.AfterScan{Agents: []agent.Name{"chat"}}); errs.KindOf(err) != errs.Invalid {
		t.Errorf("an unknown agent: %v", err)
	}
	if err := b.service.SetAfterScan(b.as(access.Admin), b.org, b.conn, all); err != nil {
		t.Fatal(err)
	}
	plan, err := b.service.Plan(b.as(access.Editor), b.org, b.conn, all)
	if err != nil || !plan.Known || plan.Calls < 20 || plan.Likely <= 0 || plan.High < plan.Likely || plan.Low > plan.Likely {
		t.Fatalf("%v, %+v", err, plan)
	}
	if len(b.model.Requests()) != 0 {
		t.Error("planning asked a model")
	}
	small := all
	small.Money = plan.Likely / 4
	if p, err := b.service.Plan(b.as(access.Editor), b.org, b.conn, small); err != nil || p.Within >= p.Calls || p.Within == 0 {
		t.Errorf("a cap: %v, %d of %d", err, p.Within, p.Calls)
	}
	r, err := b.service.RunAfterScan(system, b.org, b.conn)
	if err != nil || r.Made != plan.Calls || r.Failed != 0 || r.Stopped != "" || r.Cost == 0 {
		t.Errorf("%v, %+v; planned %d", err, r, plan.Calls)
	}
	t.Logf("%d calls; planned %d to %d tokens and %d µ$ likely, used %d tokens and %d µ$", r.Made, plan.Tokens, plan.Tokens, plan.Likely, r.Tokens, r.Cost)
	if r.Cost > plan.High {
		t.Errorf("it cost %d, at most %d were planned", r.Cost, plan.High)
	}
	n := len(b.model.Requests())
	again, err := b.service.RunAfterScan(system, b.org, b.conn)
	if err != nil || again.Made != 0 || again.Kept != r.Made || len(b.model.Requests()) != n {
		t.Errorf("again: %v, %+v", err, again)
	}
	if p, err := b.service.Plan(b.as(access.Editor), b.org, b.conn, all); err != nil || p.Calls != 0 {
		t.Errorf("nothing is left to do: %v, %+v", err, p)
	}
	last, err := b.service.LastReport(b.as(access.Viewer), b.org, b.conn)
	if err != nil || last != again {
		t.Errorf("%v, %+v", err, last)
	}
}

// TestAfterScanStops at its cap, and where the models are gone.
func TestAfterScanStops(t *testing.T) {
	b := newBench(t, &agenttest.Model{Reply: reply})
	system := access.AsSystem(t.Context())
	set := func(a agent.AfterScan) {
		t.Helper()
		if err := b.service.SetAfterScan(b.as(access.Admin), b.org, b.conn, a); err != nil {
			t.Fatal(err)
		}
	}
	set(agent.AfterScan{Agents: []agent.Name{agent.Explainer}, Tokens: 5_000})
	r, err := b.service.RunAfterScan(system, b.org, b.conn)
	if err != nil || r.Stopped != "cap" || r.Made == 0 || r.Left == 0 {
		t.Errorf("%v, %+v", err, r)
	}
	b.door.Stopped = true
	if r, err := b.service.RunAfterScan(system, b.org, b.conn); err != nil || r.Stopped != "traffic_stopped" || r.Made != 0 {
		t.Errorf("%v, %+v", err, r)
	}
	if _, err := b.service.RunAfterScan(b.as(access.Owner), b.org, b.conn); errs.KindOf(err) != errs.Forbidden {
		t.Error("a member ran the job")
	}
}

// reply answers whatever is asked for with something that holds.
func reply(_ int, r llm.Request) agenttest.Answer {
	text := agenttest.TextOf(r)
	if r.Output == nil {
		return agenttest.Answer{Text: "Here it is."}
	}
	return agenttest.Answer{Output: replyTo(r.Output.Name(), text)}
}

// replyTo answers an agent that was told a text.
func replyTo(name, text string) json.RawMessage {
	first := func(marker string) string {
		_, rest, _ := strings.Cut(text, marker)
		end := strings.IndexAny(rest, `"`)
		return rest[:max(end, 0)]
	}
	out := map[string]string{
		"briefing":    `{"sentences":["Health is {F1}."]}`,
		"explanation": `{"summary":"Shows something.","details":["It is built on tables."],"caveats":[]}`,
		"duplicates":  `{"keep":"` + first(`"keep":"`) + `","why":"It is used most.","differences":[],"steps":[]}`,
		"metric":      `{"definition":"` + first("A definition:\n<data>\n{\"id\":\"") + `","why":"Most use it.","differences":[],"ask":"?"}`,
		"review":      `{"verdict":"fine","remarks":[],"sql":null}`,
		"exposure":    `{"risk":"low","reasons":["Only sums leave."],"steps":[]}`,
		"draft":       `{"sql":"select 1","explanation":"One.","assumptions":[]}`,
	}[name]
	return json.RawMessage(out)
}

// TestPromptsHaveVersions reads every prompt.
func TestPromptsHaveVersions(t *testing.T) {
	for _, name := range agent.Names() {
		p, err := agent.PromptOf(name)
		if err != nil || p.Version == "" || len(p.System) != 2 {
			t.Errorf("%s: %v, %+v", name, err, p.Version)
		}
	}
	if _, err := agent.PromptOf("nobody"); err == nil {
		t.Error("a prompt that there is not")
	}
}
