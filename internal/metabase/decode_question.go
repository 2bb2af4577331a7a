package metabase

import (
	"context"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
)

// rawQuestion is a decoded card.
type rawQuestion struct {
	question *catalog.Question
	usage    catalog.Usage
	millis   *float64 // query_average_duration, on dashcards
	whole    bool     // it had a query, so it is more than a stub
}

// card decodes a card object, from the list, a detail or a dashcard.
func (c *Client) card(f *faults, val []byte) rawQuestion {
	q := &catalog.Question{Type: catalog.KindQuestion, CollectionID: catalog.RootCollectionID}
	out := rawQuestion{question: q}
	var (
		query, legacy, results []byte
		typed                  string
		dataset                bool
		tableNumber            int64
		creator                string
	)
	eachMember(val, func(k string, v []byte) {
		switch k {
		case "id":
			q.ID = f.id(k, v)
		case "entity_id":
			q.EntityID = f.text(k, v)
		case "name":
			q.Name = f.text(k, v)
		case "description":
			q.Description = f.text(k, v)
		case "type":
			typed = f.text(k, v)
		case "dataset":
			dataset = f.flag(k, v)
		case "display":
			q.Display = f.text(k, v)
		case "database_id":
			q.DatabaseID = f.id(k, v)
		case "table_id":
			tableNumber, _ = f.integer(k, v)
		case "source_card_id":
			q.SourceQuestionID = f.id(k, v)
		case "collection_id":
			if id := f.id(k, v); id != "" {
				q.CollectionID = id
			}
		case "collection":
			c.inCollection(f, v)
		case "collection_position":
			q.Pinned = !isNull(v)
		case "dashboard_id":
			q.DashboardID = f.id(k, v)
		case "document_id":
			q.DocumentID = f.id(k, v)
		case "archived":
			q.Archived = f.flag(k, v)
		case "creator_id":
			q.CreatorID = f.id(k, v)
		case "creator":
			creator = c.seenPerson(f, k, v)
		case "created_at":
			q.CreatedAt = f.stamp(k, v)
		case "last-edit-info":
			q.Edited = c.lastEdit(f, v)
		case "public_uuid":
			q.Public = !isNull(v)
		case "enable_embedding":
			q.Embedded = f.flag(k, v)
		case "persisted":
			q.Persisted = f.flag(k, v)
		case "cache_ttl":
			q.CacheTTL = optionalSmall(f, k, v)
		case "moderation_reviews":
			q.Verified = verified(f, v)
		case "parameters":
			q.Parameters = c.parameters(f, k, v)
		case "parameter_mappings":
			q.Mappings = c.mappings(f, k, v)
		case "visualization_settings":
			q.Visualization, q.ClickTargets = c.visualization(f, k, v)
		case "dataset_query":
			query = v
		case "legacy_query":
			legacy = v
		case "result_metadata":
			results = v
		case "view_count":
			out.usage.Views = optionalCount(f, k, v)
		case "last_used_at":
			out.usage.LastUsedAt = optionalStamp(f, k, v)
		case "updated_at":
			out.usage.UpdatedAt = optionalStamp(f, k, v)
		case "dashboard_count":
			out.usage.DashboardCount = optionalSmall(f, k, v)
		case "average_query_time":
			if x, ok := f.float(k, v); ok {
				out.usage.AverageQueryMillis = &x
			}
		case "query_average_duration":
			if x, ok := f.float(k, v); ok {
				out.millis = &x
			}
		}
	})
	switch {
	case typed == "model" || typed == "" && dataset:
		q.Type = catalog.KindModel
	case typed == "metric":
		q.Type = catalog.KindMetric
	}
	if q.CreatorID == "" {
		q.CreatorID = creator
	}
	out.whole = query != nil
	c.fillQuery(f, q, query, legacy)
	if tableNumber != 0 {
		q.TableID = c.names.table(q.DatabaseID, tableNumber)
	}
	q.ResultColumns = c.resultColumns(f, q.DatabaseID, results)
	return out
}

// fillQuery decodes dataset_query, or legacy_query where the former is empty.
func (c *Client) fillQuery(f *faults, q *catalog.Question, query, legacy []byte) {
	for _, source := range []struct {
		key string
		val []byte
	}{{"dataset_query", query}, {"legacy_query", legacy}} {
		tree, ok := c.queryTree(f, source.key, source.val)
		if !ok {
			continue
		}
		// Some rows name the virtual "Saved Questions" database, or none.
		if id := idText(tree["database"]); q.DatabaseID != "" && (id == "" || id[0] == '-') {
			tree["database"] = number(q.DatabaseID)
		}
		q.Query = c.queryFrom(tree)
		if q.SourceQuestionID == "" {
			q.SourceQuestionID = sourceQuestion(tree)
		}
		if q.DatabaseID == "" && q.Query.DatabaseID != "" && q.Query.DatabaseID[0] != '-' {
			q.DatabaseID = q.Query.DatabaseID
		}
		if q.Query.Language != catalog.LanguageNone {
			return
		}
	}
}

// verified looks for the newest review.
func verified(f *faults, val []byte) bool {
	yes := false
	eachElement(val, func(v []byte) {
		var recent bool
		var status string
		eachMember(v, func(k string, v []byte) {
			switch k {
			case "most_recent":
				recent = f.flag("moderation_reviews.most_recent", v)
			case "status":
				status = f.text("moderation_reviews.status", v)
			}
		})
		yes = yes || recent && status == "verified"
	})
	return yes
}

// resultColumns decodes result_metadata without fingerprints and remapped
// values.
func (c *Client) resultColumns(f *faults, databaseID string, val []byte) []catalog.ResultColumn {
	const key = "result_metadata"
	if isNull(val) {
		return nil
	}
	var out []catalog.ResultColumn
	ok := eachElement(val, func(v []byte) {
		var r catalog.ResultColumn
		var field, table int64
		var ref []byte
		eachMember(v, func(k string, v []byte) {
			switch k {
			case "name":
				r.Name = f.text(key+".name", v)
			case "display_name":
				r.DisplayName = f.text(key+".display_name", v)
			case "description":
				r.Description = f.text(key+".description", v)
			case "base_type":
				r.BaseType = f.text(key+".base_type", v)
			case "semantic_type":
				r.SemanticType = f.text(key+".semantic_type", v)
			case "id":
				if isNumber(v) { // some columns of native models carry a name here
					field, _ = f.integer(key+".id", v)
				}
			case "table_id":
				if isNumber(v) {
					table, _ = f.integer(key+".table_id", v)
				}
			case "field_ref":
				if isArray(v) {
					ref = v
				}
			}
		})
		if r.Name == "" {
			return
		}
		if field > 0 {
			if r.ColumnID = c.names.column(field); r.ColumnID == "" {
				r.ColumnID = catalog.ColumnID(c.names.table(databaseID, table), "#"+idNumber(field))
			}
		}
		if r.ColumnID == "" && ref != nil {
			r.FieldRef = c.reference(f, key+".field_ref", ref)
		}
		out = append(out, r)
	})
	if !ok {
		f.add(key)
	}
	return out
}

// Questions reads every live or every archived question, model and metric the
// key may see, one at a time as they arrive. IsMissing reports true for the
// error of a server without the route: discover by [Client.Items] then. each
// must not call the client.
func (c *Client) Questions(ctx context.Context, archived bool, each EachQuestion) ([]catalog.Gap, error) {
	what, f := "questions", "all"
	if archived {
		what, f = "archived questions", "archived"
	}
	req, err := routeCards.request("", "f", f)
	if err != nil {
		return nil, err
	}
	return c.questions(ctx, what, req, each)
}

// QuestionsOf does the same for the live questions of one database, to split
// lists that are too big for one answer.
func (c *Client) QuestionsOf(ctx context.Context, databaseID string, each EachQuestion) ([]catalog.Gap, error) {
	if !paramNumber.valid(databaseID) {
		return nil, errs.New(errs.Invalid, "bad_id", "The id of a database is a number.", "")
	}
	req, err := routeCards.request("", "f", "database", "model_id", databaseID)
	if err != nil {
		return nil, err
	}
	return c.questions(ctx, "questions of database "+databaseID, req, each)
}

func (c *Client) questions(ctx context.Context, what string, req request, each EachQuestion) ([]catalog.Gap, error) {
	l := list[rawQuestion]{what: what, kind: catalog.KindQuestion, placed: true, decode: func(f *faults, val []byte) (string, rawQuestion, bool) {
		raw := c.card(f, val)
		return raw.question.ID, raw, !c.leftOut(raw.question.CollectionID)
	}}
	return l.each(ctx, c, req, func(raw rawQuestion) error { return each(raw.question, raw.usage) })
}

// Question reads one question without counting as a view. It returns nil with a
// gap when the server refuses it or has no such question.
func (c *Client) Question(ctx context.Context, id string) (*catalog.Question, catalog.Usage, []catalog.Gap, error) {
	what := "question " + id
	// Reads counted as views up to 0.58 or so; a server that knows the parameter
	// no more may refuse it.
	query := []string{"ignore_view", "true"}
	if c.major.Load() >= 60 {
		query = nil
	}
	raw, f, err := c.oneCard(ctx, id, query)
	if statusOf(err) == http.StatusBadRequest && query != nil {
		raw, f, err = c.oneCard(ctx, id, nil)
	}
	switch {
	case err != nil:
		gaps, err := c.single(ctx, err, what, catalog.KindQuestion)
		return nil, catalog.Usage{}, gaps, err
	case raw.question == nil || raw.question.ID == "":
		return nil, catalog.Usage{}, []catalog.Gap{notUnderstood(what, catalog.KindQuestion)}, nil
	case c.leftOut(raw.question.CollectionID):
		return nil, catalog.Usage{}, []catalog.Gap{excludedGap(what, catalog.KindQuestion)}, nil
	}
	return raw.question, raw.usage, f.gaps(what, catalog.KindQuestion), nil
}

func (c *Client) oneCard(ctx context.Context, id string, query []string) (raw rawQuestion, f faults, err error) {
	req, err := routeCard.request(id, query...)
	if err != nil {
		return raw, f, err
	}
	err = c.read(ctx, req, func(dec *jsontext.Decoder) error {
		val, err := dec.ReadValue()
		if err != nil {
			return err
		}
		f = faults{}
		raw = c.card(&f, val)
		f.next()
		return nil
	})
	return raw, f, err
}

// excludedGap is the gap of a single asset that lies in a collection that is
// left out.
func excludedGap(what string, kind catalog.Kind) catalog.Gap {
	return catalog.Gap{What: what, Kind: kind, Reason: "it lies in a collection that is left out", Expected: true}
}
