package metabasetest

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sampleBuilder assembles the sample company.
type sampleBuilder struct {
	w         *World
	now       time.Time
	warehouse int
	replica   int
	events    int
	who       map[string]int // first name → person
	in        map[string]int // short name → collection
	cards     map[string]*Card
	n         int
}

// days is a moment that many days before the snapshot, at a plausible hour.
func (b *sampleBuilder) days(ago int) time.Time {
	return b.now.AddDate(0, 0, -ago).Add(-time.Duration(ago*37%540) * time.Minute).Truncate(time.Second)
}

// table finds "schema.table" or a bare table name of the analytics schema.
func (b *sampleBuilder) table(name string) *Table {
	schema, table, qualified := strings.Cut(name, ".")
	if !qualified {
		schema, table = "analytics", name
	}
	return b.w.TableByName(schema, table)
}

// col finds "schema.table.column" or "table.column" of the analytics schema.
func (b *sampleBuilder) col(name string) *Field {
	i := strings.LastIndexByte(name, '.')
	return b.table(name[:i]).FieldByName(name[i+1:])
}

func (b *sampleBuilder) f(name string) Expr { return Column(b.col(name)) }

// cardOption adjusts a sample card.
type cardOption func(*sampleBuilder, *Card)

func desc(text string) cardOption    { return func(_ *sampleBuilder, c *Card) { c.Description = text } }
func display(kind string) cardOption { return func(_ *sampleBuilder, c *Card) { c.Display = kind } }
func by(person string) cardOption {
	return func(b *sampleBuilder, c *Card) { c.CreatorID, c.EditorID = b.who[person], b.who[person] }
}

// used sets views and the days since the last use.
func used(views int64, ago int) cardOption {
	return func(b *sampleBuilder, c *Card) { c.ViewCount, c.LastUsedAt = views, b.days(ago) }
}

// unused never ran since usage is counted.
func unused() cardOption {
	return func(_ *sampleBuilder, c *Card) { c.ViewCount, c.LastUsedAt = 0, time.Time{} }
}

// age sets the days since creation and since the last edit.
func age(created, edited int) cardOption {
	return func(b *sampleBuilder, c *Card) {
		c.CreatedAt, c.EditedAt, c.UpdatedAt = b.days(created), b.days(edited), b.days(edited)
	}
}

func slow(ms float64) cardOption { return func(_ *sampleBuilder, c *Card) { c.AverageQueryTime = ms } }
func model() cardOption          { return func(_ *sampleBuilder, c *Card) { c.Type = CardModel } }
func metric() cardOption {
	return func(_ *sampleBuilder, c *Card) { c.Type, c.Display = CardMetric, "scalar" }
}
func pinned() cardOption  { return func(_ *sampleBuilder, c *Card) { c.Position = 1 } }
func checked() cardOption { return func(_ *sampleBuilder, c *Card) { c.Verified = true } }
func archived() cardOption {
	return func(_ *sampleBuilder, c *Card) { c.Archived, c.ArchivedDirectly = true, true }
}

func public(by string) cardOption {
	return func(b *sampleBuilder, c *Card) {
		c.PublicUUID, c.MadePublicBy = uuidOf("public card", c.ID+len(b.cards)), b.who[by]
	}
}
func newer() cardOption { return func(_ *sampleBuilder, c *Card) { c.SavedIn = "0.58.1" } }

// tagged declares a template tag that the text alone does not explain.
func tagged(name, kind string, field ...string) cardOption {
	return func(b *sampleBuilder, c *Card) {
		for i := range c.Query.Stages[0].Tags {
			t := &c.Query.Stages[0].Tags[i]
			if t.Name != name {
				continue
			}
			t.Type = kind
			if len(field) > 0 {
				f := b.col(field[0])
				t.FieldID = f.ID
				switch f.BaseType {
				case "type/Date", "type/DateTime", "type/DateTimeWithLocalTZ":
					t.Widget = "date/all-options"
				case "type/Text":
					t.Widget = "string/="
				default:
					t.Widget = "number/="
				}
			}
			t.HasDefault = kind == "text" || kind == "number"
		}
	}
}

var (
	sampleCardRef = regexp.MustCompile(`\{\{#@([^}]+)\}\}`)
	sampleTag     = regexp.MustCompile(`\{\{\s*([^}]+?)\s*\}\}`)
)

// sql adds a native question. {{#@Name}} refers to a card added before.
func (b *sampleBuilder) sql(collection, name, text string, options ...cardOption) *Card {
	return b.sqlOn(b.warehouse, collection, name, text, options...)
}

func (b *sampleBuilder) sqlOn(database int, collection, name, text string, options ...cardOption) *Card {
	text = strings.TrimSpace(text)
	text = sampleCardRef.ReplaceAllStringFunc(text, func(m string) string {
		c := b.cards[sampleCardRef.FindStringSubmatch(m)[1]]
		return "{{#" + strconv.Itoa(c.ID) + "-" + strings.ReplaceAll(slugOf(c.Name), "_", "-") + "}}"
	})
	stage := Stage{SQL: text, Tags: sampleTags(b.w, text)}
	return b.add(collection, name, &Query{DatabaseID: database, Stages: []Stage{stage}}, options)
}

// sampleTags declares the tags of a text as Metabase's editor does.
func sampleTags(w *World, text string) []Tag {
	var tags []Tag
	seen := map[string]bool{}
	for _, m := range sampleTag.FindAllStringSubmatch(text, -1) {
		name := m[1]
		if seen[name] {
			continue
		}
		seen[name] = true
		switch {
		case strings.HasPrefix(name, "#"):
			digits, _, _ := strings.Cut(name[1:], "-")
			id, _ := strconv.Atoi(digits)
			tags = append(tags, Tag{Name: name, Type: "card", CardID: id})
		case strings.HasPrefix(name, "snippet:"):
			t := Tag{Name: name, Type: "snippet", Snippet: strings.TrimSpace(strings.TrimPrefix(name, "snippet:"))}
			for _, s := range w.Snippets {
				if s.Name == t.Snippet {
					t.SnippetID = s.ID
				}
			}
			tags = append(tags, t)
		default:
			tags = append(tags, Tag{Name: name, Type: "text"})
		}
	}
	return tags
}

// mbql adds a structured question over a table of the warehouse.
func (b *sampleBuilder) mbql(collection, name, table string, stage Stage, options ...cardOption) *Card {
	stage.SourceTable = b.table(table).ID
	return b.add(collection, name, Structured(b.warehouse, stage), options)
}

// over adds a structured question over a card.
func (b *sampleBuilder) over(collection, name, source string, stage Stage, options ...cardOption) *Card {
	stage.SourceCard = b.cards[source].ID
	return b.add(collection, name, Structured(b.warehouse, stage), options)
}

func (b *sampleBuilder) add(collection, name string, q *Query, options []cardOption) *Card {
	b.n++
	r := splitmix(uint64(b.n))
	created := 200 + int(r%900)
	c := &Card{
		Name: name, Query: q, CollectionID: b.in[collection], CreatorID: b.who["Priya"], EditorID: b.who["Priya"],
		CreatedAt: b.days(created), EditedAt: b.days(created - int(r>>8%150)), Display: "table",
		ViewCount: int64(12 + r>>16%340), LastUsedAt: b.days(int(r >> 24 % 40)),
		AverageQueryTime: float64(120+r>>32%2400) + 0.5,
	}
	c.UpdatedAt = c.EditedAt
	c.LastQueryStart = c.LastUsedAt
	for _, o := range options {
		o(b, c)
	}
	b.w.AddCard(c)
	c.Results = resultsOf(b.w, q)
	c.ResultsUnknown = c.Results == nil
	for _, s := range q.nativeTags() {
		if s.Type == "card" || s.Type == "snippet" {
			continue
		}
		kind := map[string]string{"number": "number/=", "date": "date/single", "dimension": s.Widget}[s.Type]
		if kind == "" {
			kind = "category"
		}
		c.Parameters = append(c.Parameters, Parameter{
			ID: uuidOf("parameter "+s.Name, c.ID), Name: displayOf(s.Name), Slug: s.Name, Type: kind, Tag: s.Name,
			TagIsField: s.Type == "dimension", HasDefault: s.HasDefault,
		})
	}
	if _, taken := b.cards[name]; !taken {
		b.cards[name] = c
	}
	return c
}

func (q *Query) nativeTags() []Tag {
	if !q.IsNative() {
		return nil
	}
	return q.Stages[0].Tags
}

// tile is a dashcard before it has a place.
type tile struct {
	Dashcard
	card string
}

func show(card string, size ...int) tile {
	t := tile{card: card}
	t.Width, t.Height = 12, 7
	if len(size) == 2 {
		t.Width, t.Height = size[0], size[1]
	}
	return t
}

func heading(text string) tile {
	return tile{Dashcard: Dashcard{Virtual: "heading", Text: text, Width: 24, Height: 1}}
}

func note(text string) tile {
	return tile{Dashcard: Dashcard{Virtual: "text", Text: text, Width: 24, Height: 2}}
}

// filter maps a dashboard filter to a column or tag of the tile.
func (t tile) filter(parameter string, target Target) tile {
	t.Mappings = append(t.Mappings, Mapping{ParameterID: parameter, Target: target})
	return t
}

func (t tile) with(series ...int) tile { t.Series = series; return t }

func (t tile) on(tab *Tab) tile { t.Tab = tab; return t }

func (t tile) clicks(c Click) tile { t.Click = &c; return t }

type dashOption func(*sampleBuilder, *Dashboard)

// dash adds a dashboard and lays its tiles out from left to right.
func (b *sampleBuilder) dash(collection, name string, tiles []tile, options ...dashOption) *Dashboard {
	b.n++
	r := splitmix(uint64(b.n))
	d := &Dashboard{
		Name: name, CollectionID: b.in[collection], CreatorID: b.who["Ingrid"], EditorID: b.who["Priya"],
		CreatedAt: b.days(400 + int(r%600)), EditedAt: b.days(20 + int(r>>8%200)),
		ViewCount: int64(200 + r>>16%1500), LastViewedAt: b.days(int(r >> 24 % 12)),
	}
	d.UpdatedAt = d.EditedAt
	row, col, tallest := 0, 0, 0
	var tab *Tab
	for i := range tiles {
		dc := tiles[i].Dashcard
		if dc.Tab != tab {
			tab, row, col, tallest = dc.Tab, 0, 0, 0
		}
		if col+dc.Width > 24 {
			row, col, tallest = row+tallest, 0, 0
		}
		dc.Row, dc.Col = row, col
		col += dc.Width
		tallest = max(tallest, dc.Height)
		if c := b.cards[tiles[i].card]; c != nil {
			dc.CardID = c.ID
			for m := range dc.Mappings {
				if dc.Mappings[m].CardID == 0 {
					dc.Mappings[m].CardID = c.ID
				}
			}
		}
		d.Cards = append(d.Cards, &dc)
	}
	for _, o := range options {
		o(b, d)
	}
	return b.w.AddDashboard(d)
}

func about(text string) dashOption {
	return func(_ *sampleBuilder, d *Dashboard) { d.Description = text }
}

func filters(list ...Parameter) dashOption {
	return func(_ *sampleBuilder, d *Dashboard) { d.Parameters = list }
}

func tabs(list ...*Tab) dashOption { return func(_ *sampleBuilder, d *Dashboard) { d.Tabs = list } }

func owner(person string) dashOption {
	return func(b *sampleBuilder, d *Dashboard) { d.CreatorID, d.EditorID = b.who[person], b.who[person] }
}

func seen(views int64, ago int) dashOption {
	return func(b *sampleBuilder, d *Dashboard) {
		d.ViewCount, d.LastViewedAt = views, b.days(ago)
		if d.EditedAt.After(d.LastViewedAt) {
			d.EditedAt = b.days(ago + 30)
			d.UpdatedAt = d.EditedAt
			d.CreatedAt = b.days(ago + 200)
		}
	}
}

func settingsJSON(text string) cardOption {
	return func(_ *sampleBuilder, c *Card) { c.Settings = json.RawMessage(text) }
}
