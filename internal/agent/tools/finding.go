package tools

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Finding is a finding in a list. Its message, which quotes names and literals,
// is left out: the check says what is wrong, and evidence says it of this asset.
type Finding struct {
	ID       mask.Text `json:"id" desc:"of the finding"`
	Check    mask.Text `json:"check" desc:"id of the check"`
	Title    mask.Text `json:"title" desc:"what the check looks for"`
	Severity mask.Text `json:"severity"`
	Asset    Brief     `json:"asset"`
	State    mask.Text `json:"state"`
}

type findingsIn struct {
	Severities *[]string `json:"severities" desc:"null for all" enum:"info,low,medium,high,critical"`
	Families   *[]string `json:"families" desc:"first letters of check ids: BRK broken, DOC documentation, DUP duplicates, MET metrics, ORG order, PRM filters, SEC exposure, SQL queries, USE unused; null for all" enum:"BRK,DOC,DUP,MET,ORG,PRM,SEC,SQL,USE"`
	Check      *string   `json:"check" desc:"id of one check, such as USE001"`
	Asset      *string   `json:"asset" desc:"ref: findings about this asset only"`
	Collection *string   `json:"collection" desc:"ref of a collection: findings in it and below"`
	State      *string   `json:"state" desc:"open when null" enum:"open,ignored,resolved"`
	Limit      *int      `json:"limit" desc:"rows" min:"1" max:"50"`
	Offset     *int      `json:"offset" desc:"rows to skip" min:"0"`
}

type findingsOut struct {
	Page
	Findings []Finding `json:"findings" desc:"most important first"`
}

func findingsTool() (tool, error) {
	return define("list_findings", "List findings", llm.SchemaOf[findingsIn]("list_findings"),
		mask.Constant("Lists findings: what checks hold against content, such as broken references, unused or duplicate content, exposure and questionable SQL. Most important first."),
		func(ctx context.Context, c *call, in findingsIn) (findingsOut, error) {
			limit, offset := window(in.Limit, in.Offset)
			q := store.FindingQuery{
				Connection: c.World.Connection, Families: value(in.Families), States: []store.FindingState{store.FindingState(cmp.Or(value(in.State), string(store.FindingOpen)))},
				Sort: store.SortImpact, Limit: limit, Offset: offset,
			}
			for _, s := range value(in.Severities) {
				q.Severities = append(q.Severities, finding.Severity(s))
			}
			if id := strings.ToUpper(value(in.Check)); id != "" {
				q.Checks = []string{id}
			}
			if value(in.Asset) != "" {
				r, err := c.Parse(*in.Asset)
				if err != nil {
					return findingsOut{}, err
				}
				q.Asset = r
			}
			var err error
			if q.Collection, err = c.idOf(in.Collection, catalog.KindCollection); err != nil {
				return findingsOut{}, err
			}
			list, total, err := c.box.config.Backend.Findings(ctx, c.World.Org, q)
			if err != nil {
				return findingsOut{}, err
			}
			out := findingsOut{Page: Page{Total: total, Offset: offset, More: offset+len(list) < total}, Findings: []Finding{}}
			for i := range list {
				out.Findings = append(out.Findings, c.Finding(c.box.config.Backend, &list[i]))
			}
			c.say("Listed findings: " + count(total, "finding", "findings"))
			return out, nil
		})
}

// Finding describes a finding in a list.
func (l *Lens) Finding(b Backend, f *store.FindingRecord) Finding {
	out := Finding{
		ID: l.Handle(f.Fingerprint), Check: l.Word(f.Check), Severity: l.Word(string(f.Severity)), Asset: l.Brief(f.Asset), State: l.Word(string(f.State)),
	}
	if m, ok := b.Check(f.Check); ok {
		out.Title = l.Free(m.Title, maxName)
	}
	return out
}

type findingIn struct {
	ID string `json:"id" desc:"of the finding, as list_findings gave it" min:"1" max:"200"`
}

// figure is a number of the evidence.
type figure struct {
	Name  mask.Text `json:"name" desc:"what it counts, unit last"`
	Value float64   `json:"value"`
}

// quote is a text of the evidence.
type quote struct {
	Name mask.Text `json:"name"`
	Text mask.Text `json:"text" desc:"masked"`
}

// FindingDoc is a finding with its evidence.
type FindingDoc struct {
	Finding
	Confidence  mask.Text `json:"confidence"`
	Why         mask.Text `json:"why" desc:"why it matters"`
	Remediation mask.Text `json:"remediation" desc:"what to do"`
	Figures     []figure  `json:"figures"`
	Texts       []quote   `json:"texts"`
	Related     []Brief   `json:"related"`
	FirstSeen   mask.Text `json:"first_seen"`
}

func findingTool() (tool, error) {
	return define("get_finding", "Look at a finding", llm.SchemaOf[findingIn]("get_finding"),
		mask.Constant("Shows one finding with its evidence, why it matters and what to do."),
		func(ctx context.Context, c *call, in findingIn) (FindingDoc, error) {
			f, err := c.box.config.Backend.Finding(ctx, c.World.Org, c.World.Connection, in.ID)
			if err != nil {
				return FindingDoc{}, err
			}
			c.say("Looked at a finding about " + c.plainName(f.Asset))
			return c.FindingDoc(c.box.config.Backend, &f), nil
		})
}

// FindingDoc describes a finding with its evidence.
func (l *Lens) FindingDoc(b Backend, f *store.FindingRecord) FindingDoc {
	doc := FindingDoc{
		Finding: l.Finding(b, f), Confidence: l.Word(string(f.Confidence)), FirstSeen: l.Word(f.FirstSeenAt.UTC().Format("2006-01-02")),
		Figures: []figure{}, Texts: []quote{}, Related: []Brief{},
	}
	if m, ok := b.Check(f.Check); ok {
		doc.Why, doc.Remediation = l.Free(m.Why, maxWords), l.Free(m.Remediation, maxWords)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Evidence.Numbers)) {
		doc.Figures = append(doc.Figures, figure{l.Word(name), f.Evidence.Numbers[name]})
	}
	database := ""
	if a := l.World.Index.Asset(f.Asset); a != nil {
		database = databaseOf(a)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Evidence.Texts)) {
		doc.Texts = append(doc.Texts, quote{l.Word(name), l.Fragment(database, f.Evidence.Texts[name])})
	}
	for _, r := range f.Evidence.Related[:min(len(f.Evidence.Related), maxNear)] {
		doc.Related = append(doc.Related, l.Brief(r))
	}
	return doc
}
