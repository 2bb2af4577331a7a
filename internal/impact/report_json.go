package impact

import (
	"bufio"
	"encoding/json"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/report"
)

// The types below are the JSON document of docs/schema/impact.v1.json.

type documentJSON struct {
	SchemaVersion int                  `json:"schema_version"`
	Root          []catalog.Ref        `json:"root"`
	Change        string               `json:"change"`
	Scan          string               `json:"scan"`
	ScanInfo      Scan                 `json:"scan_info"`
	Connection    string               `json:"connection,omitempty"`
	Source        string               `json:"source,omitempty"`
	Affected      []affectedJSON       `json:"affected"`
	KnockOn       []affectedJSON       `json:"knock_on"`
	People        int                  `json:"people"`
	PeopleList    []personJSON         `json:"people_list"`
	Recipients    int                  `json:"recipients"`
	Counts        map[catalog.Kind]int `json:"counts"`
	Breaks        map[Breaks]int       `json:"breaks"`
	NotEvaluated  []gapJSON            `json:"not_evaluated"`
	Changes       []changeJSON         `json:"changes,omitempty"`
	Skipped       []Skipped            `json:"skipped,omitempty"`
}

type changeJSON struct {
	Title    string         `json:"title"`
	Action   string         `json:"action"`
	Line     int            `json:"line,omitempty"`
	To       string         `json:"to,omitempty"`
	Root     []catalog.Ref  `json:"root"`
	Change   Change         `json:"change"`
	Affected []verdictJSON  `json:"affected"` // described in the document's own list
	KnockOn  []catalog.Ref  `json:"knock_on"`
	People   int            `json:"people"`
	Breaks   map[Breaks]int `json:"breaks"`
}

type verdictJSON struct {
	Asset  catalog.Ref `json:"asset"`
	Breaks Breaks      `json:"breaks"`
	Code   string      `json:"code"`
	Why    string      `json:"why"`
}

type assetJSON struct {
	Kind       catalog.Kind `json:"kind"`
	ID         string       `json:"id"`
	Name       string       `json:"name"`
	URL        string       `json:"url"`
	Collection string       `json:"collection_path,omitempty"`
	Archived   bool         `json:"archived,omitempty"`
}

type usageJSON struct {
	Views        *int64     `json:"views"`
	LastUsedAt   *time.Time `json:"last_used_at"`
	Contaminated bool       `json:"contaminated"`
}

type affectedJSON struct {
	Asset      assetJSON          `json:"asset"`
	Distance   int                `json:"distance"`
	Direct     bool               `json:"direct"`
	Paths      [][]catalog.Ref    `json:"paths"`
	Via        lineage.Via        `json:"via"`
	Uses       []lineage.Via      `json:"uses"`
	Confidence finding.Confidence `json:"confidence"`
	Columns    []string           `json:"columns,omitempty"`
	Filters    []Filter           `json:"filters,omitempty"`
	Breaks     Breaks             `json:"breaks"`
	Code       string             `json:"code"`
	Why        string             `json:"why"`
	Usage      *usageJSON         `json:"usage"`
	Recipients *int               `json:"recipients,omitempty"`
	Owners     []string           `json:"owners,omitempty"`
}

type personJSON struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Active *bool  `json:"active,omitempty"`
	Assets int    `json:"assets"`
}

type gapJSON struct {
	Asset  *gapAssetJSON `json:"asset,omitempty"`
	Code   string        `json:"code"`
	Reason string        `json:"reason"`
}

type gapAssetJSON struct {
	Kind catalog.Kind `json:"kind"`
	ID   string       `json:"id"`
	Name string       `json:"name"`
}

func writeJSON(w *bufio.Writer, r *Report) error {
	whole := Merge(r.Changes)
	d := documentJSON{
		SchemaVersion: SchemaVersion, Root: orEmpty(whole.Roots), Change: string(whole.Change), Scan: r.Scan.ID, ScanInfo: r.Scan,
		Connection: r.Connection, Source: r.Source, Affected: affectedList(whole.Affected), KnockOn: affectedList(whole.KnockOn),
		People: len(whole.People), PeopleList: []personJSON{}, Recipients: whole.Recipients, Counts: whole.Counts,
		Breaks: whole.Breaks, NotEvaluated: []gapJSON{}, Skipped: r.Skipped,
	}
	for _, p := range whole.People {
		d.PeopleList = append(d.PeopleList, personJSON(p))
	}
	for _, g := range whole.NotEvaluated {
		out := gapJSON{Code: g.Reason, Reason: g.Detail}
		if !g.Asset.IsZero() {
			out.Asset = &gapAssetJSON{g.Asset.Kind, g.Asset.ID, g.Name}
		}
		d.NotEvaluated = append(d.NotEvaluated, out)
	}
	if r.Source != "" {
		d.Change = "several"
		d.Changes = []changeJSON{}
		for _, c := range r.Changes {
			d.Changes = append(d.Changes, changeOf(c))
		}
	}
	enc := json.NewEncoder(report.SafeJSON(w))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	return enc.Encode(d)
}

func changeOf(c Impact) changeJSON {
	out := changeJSON{
		Title: c.Title, Action: c.Action, Line: c.Line, To: c.To, Root: orEmpty(c.Result.Roots), Change: c.Result.Change,
		Affected: []verdictJSON{}, KnockOn: []catalog.Ref{}, People: len(c.Result.People), Breaks: c.Result.Breaks,
	}
	for i := range c.Result.Affected {
		a := &c.Result.Affected[i]
		out.Affected = append(out.Affected, verdictJSON{a.Asset, a.Breaks, a.Code, a.Why})
	}
	for i := range c.Result.KnockOn {
		out.KnockOn = append(out.KnockOn, c.Result.KnockOn[i].Asset)
	}
	return out
}

func affectedList(list []Affected) []affectedJSON {
	out := make([]affectedJSON, 0, len(list))
	for i := range list {
		a := &list[i]
		e := affectedJSON{
			Asset:    assetJSON{a.Asset.Kind, a.Asset.ID, a.Name, a.URL, a.Collection, a.Archived},
			Distance: a.Distance, Direct: a.Direct, Paths: a.Paths, Via: a.Via, Uses: orEmpty(a.Uses), Confidence: a.Confidence, Columns: a.Columns,
			Filters: a.Filters, Breaks: a.Breaks, Code: a.Code, Why: a.Why, Recipients: a.Recipients, Owners: a.Owners,
		}
		if e.Paths == nil {
			e.Paths = [][]catalog.Ref{}
		}
		if u := a.Usage; u != nil {
			e.Usage = &usageJSON{u.Views, utc(u.LastUsedAt), u.Contaminated}
		}
		out = append(out, e)
	}
	return out
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
