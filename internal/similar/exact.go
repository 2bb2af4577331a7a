package similar

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/mbql"
)

// Find finds questions with the same query, and dashboards that show the same
// questions. Two questions are exact duplicates when they read the same
// database with the same SQL modulo white space and comments and the same
// template tags, or with the same query-builder query, in whichever dialect each
// is stored; how the result is drawn does not matter. Models and metrics are
// compared among themselves. Archived content, personal collections and
// Metabase's own samples are left out. Clusters come sorted by kind of member
// and id. A cancelled context ends it early.
func Find(ctx context.Context, index *catalog.Index, graph *lineage.Graph) []Cluster {
	f := finder{index: index, graph: graph}
	questions, twin := f.questions(ctx)
	dashboards := f.dashboards(ctx, twin)
	out := slices.Concat(questions, dashboards)
	slices.SortFunc(out, func(a, b Cluster) int {
		return cmp.Or(strings.Compare(string(a.Members[0].Kind), string(b.Members[0].Kind)), strings.Compare(a.ID, b.ID))
	})
	return out
}

type finder struct {
	index *catalog.Index
	graph *lineage.Graph
}

// digest is a key without its text.
type digest [sha256.Size]byte

// questions groups questions by their query. twin gives every clustered
// question the id of its cluster, so that copied dashboards compare equal.
func (f *finder) questions(ctx context.Context) (clusters []Cluster, twin map[string]string) {
	groups := map[digest][]catalog.Asset{}
	for _, q := range f.index.Snapshot().Questions {
		if ctx.Err() != nil {
			return nil, nil
		}
		if q.Archived || q.Unreadable || f.aside(f.home(q)) {
			continue
		}
		if key := f.queryKey(q); key != "" {
			d := sha256.Sum256([]byte(key))
			groups[d] = append(groups[d], q)
		}
	}
	twin = map[string]string{}
	for d, members := range groups {
		if len(members) < 2 {
			continue
		}
		c := f.cluster(d, members)
		for _, m := range members {
			twin[m.Ref().ID] = c.ID
		}
		clusters = append(clusters, c)
	}
	return clusters, twin
}

// home is the collection a question is found in.
func (f *finder) home(q *catalog.Question) string {
	if d := f.index.Dashboard(q.DashboardID); d != nil {
		return d.CollectionID
	}
	return q.CollectionID
}

// aside reports whether content of a collection is not compared.
func (f *finder) aside(collection string) bool {
	seen := map[string]bool{}
	for id := collection; id != "" && !seen[id]; {
		seen[id] = true
		c := f.index.Collection(id)
		if c == nil {
			return false
		}
		if c.Archived || c.PersonalOwnerID != "" || c.Sample || c.Type == "trash" || c.Type == "instance-analytics" {
			return true
		}
		id = c.ParentID
	}
	return false
}

// queryKey is a text that two questions share when they ask the same. It is
// empty for a question without a query.
func (f *finder) queryKey(q *catalog.Question) string {
	engine := ""
	if d := f.index.Database(q.Query.DatabaseID); d != nil {
		engine = d.Engine
	}
	head := string(q.Ref().Kind) + "\x00" + q.Query.DatabaseID + "\x00"
	switch {
	case len(q.Query.MBQL) > 0:
		query, err := mbql.Parse(q.Query.MBQL)
		if err != nil {
			return ""
		}
		tags := ""
		if len(query.Stages) > 0 && query.Stages[0].Native != nil && query.Stages[0].Native.SQL {
			native := query.Stages[0].Native
			native.Text = normalSQL(native.Text, engine)
			tags = tagKey(native.Text, q.Query.Tags)
		}
		canonical := mbql.Canonical(query, mbql.Strict)
		if canonical == "" {
			return ""
		}
		return head + "mbql\x00" + canonical + tags
	case q.Query.Language == catalog.LanguageSQL:
		text := normalSQL(q.Query.SQL, engine)
		if text == "" {
			return ""
		}
		return head + "sql\x00" + text + tagKey(text, q.Query.Tags)
	case q.Query.Language == catalog.LanguageOther:
		text := normalOther(q.Query.SQL)
		if text == "" {
			return ""
		}
		return head + "other\x00" + text + tagKey(text, q.Query.Tags)
	}
	return ""
}

// normalOther normalises a native query that is not SQL: JSON is compacted,
// anything else trimmed.
func normalOther(text string) string {
	var raw json.RawMessage
	if json.Unmarshal([]byte(text), &raw) == nil {
		var b strings.Builder
		if encoded, err := json.Marshal(raw); err == nil {
			b.Write(encoded)
			return b.String()
		}
	}
	return strings.TrimSpace(text)
}

// tagKey writes what the used tags stand for: the same text means something
// else where a field filter points at another column.
func tagKey(text string, tags []catalog.TemplateTag) string {
	var b strings.Builder
	for _, t := range tags {
		name := tagName(strings.TrimSpace(t.Name))
		if !strings.Contains(text, "{{"+name+"}}") {
			continue // a leftover
		}
		dimension := ""
		if len(t.Dimension) > 0 {
			if e := mbql.ParseExpr(t.Dimension); e != nil && e.Field != nil {
				dimension = strconv.FormatInt(e.Field.ID.Number, 10) + "/" + e.Field.ID.Name + "/" + e.Field.Name
			}
		}
		for _, part := range []string{name, t.Type, t.QuestionID, t.Snippet, dimension} {
			b.WriteString("\x00")
			b.WriteString(part)
		}
	}
	return b.String()
}

// dashboards groups dashboards by the set of questions they show. Questions
// with the same query count as one, so that a dashboard copied with its
// questions is found too.
func (f *finder) dashboards(ctx context.Context, twin map[string]string) []Cluster {
	groups := map[digest][]catalog.Asset{}
	for _, d := range f.index.Snapshot().Dashboards {
		if ctx.Err() != nil {
			return nil
		}
		if d.Archived || d.DetailUnread || f.aside(d.CollectionID) {
			continue
		}
		set := map[string]bool{}
		for _, c := range d.Cards {
			for _, id := range append([]string{c.QuestionID}, c.SeriesIDs...) {
				switch {
				case id == "":
				case twin[id] != "":
					set[twin[id]] = true
				default:
					set["question:"+id] = true
				}
			}
		}
		if len(set) < fewestShared {
			continue
		}
		key := sha256.Sum256([]byte("dashboard\x00" + strings.Join(slices.Sorted(maps.Keys(set)), "\x00")))
		groups[key] = append(groups[key], d)
	}
	var out []Cluster
	for key, members := range groups {
		if len(members) > 1 {
			out = append(out, f.cluster(key, members))
		}
	}
	return out
}

// fewestShared is how many different questions two dashboards must share before
// they count as copies: one or two are a coincidence.
const fewestShared = 3

func (f *finder) cluster(key digest, members []catalog.Asset) Cluster {
	c := Cluster{ID: hex.EncodeToString(key[:10]), Kind: Exact, Score: 1}
	for _, m := range members {
		c.Members = append(c.Members, m.Ref())
	}
	slices.SortFunc(c.Members, catalog.Ref.Compare)
	c.Keep, c.Reason = f.keep(members)
	return c
}
