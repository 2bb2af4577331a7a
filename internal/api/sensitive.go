package api

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Sensitive decides which columns no model may see.
type Sensitive interface {
	Columns(ctx context.Context, org store.OrgID, conn store.ConnectionID, q ai.ColumnQuery) (ai.ColumnPage, error)
	Rules(ctx context.Context, org store.OrgID, conn store.ConnectionID) ([]store.SensitivityRule, error)
	Preview(ctx context.Context, org store.OrgID, conn store.ConnectionID, d ai.RuleDraft) (ai.Preview, error)
}

// SensitiveColumn is a column with what was decided about it.
type SensitiveColumn struct {
	ID        string        `json:"id"`
	Database  string        `json:"database"`
	Table     string        `json:"table"`
	Column    string        `json:"column"`
	Type      string        `json:"type,omitempty"`
	Sensitive bool          `json:"sensitive"`
	Score     float64       `json:"score"`
	Category  mask.Category `json:"category"`
	Reason    string        `json:"reason"`
	Rule      string        `json:"rule,omitempty" doc:"id of the rule that decided; absent for the classifier"`
}

func sensitiveOf(c ai.Column) SensitiveColumn {
	return SensitiveColumn{
		ID: c.Ref.ID, Database: c.Database, Table: c.Table, Column: c.Name, Type: c.Type, Sensitive: c.Sensitive, Score: c.Score, Category: c.Category, Reason: c.Reason, Rule: c.Rule,
	}
}

type sensitiveQuery struct {
	paging
	Text      string `query:"q" doc:"part of database, table or column"`
	Category  string `query:"category" enum:"contact,name,identity,government_id,financial,credential,health,location,network,demographic,free_text,none"`
	Sensitive string `query:"sensitive" enum:"yes,no"`
	By        string `query:"by" doc:"who decided" enum:"rule,classifier"`
	Rule      string `query:"rule" doc:"id of a rule"`
}

func (a *API) sensitiveColumns(c *call, q sensitiveQuery) (Page[SensitiveColumn], error) {
	offset, err := q.offset()
	if err != nil {
		return Page[SensitiveColumn]{}, err
	}
	p, err := a.cfg.Sensitive.Columns(c.r.Context(), c.org(), c.conn.ID, ai.ColumnQuery{
		Text: q.Text, Category: mask.Category(q.Category), Sensitive: q.Sensitive, By: q.By, Rule: q.Rule, Limit: q.limit(), Offset: offset,
	})
	if err != nil {
		return Page[SensitiveColumn]{}, err
	}
	return pageOf(mapped(p.Columns, sensitiveOf), offset, p.Total), nil
}

// SensitivityRule says of some columns that they are sensitive or are not.
type SensitivityRule struct {
	ID        string    `json:"id"`
	Kind      string    `json:"kind" doc:"block or allow"`
	Pattern   string    `json:"pattern"`
	Category  string    `json:"category,omitempty"`
	Note      string    `json:"note,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func (a *API) sensitivityRules(c *call, q paging) (Page[SensitivityRule], error) {
	list, err := a.cfg.Sensitive.Rules(c.r.Context(), c.org(), c.conn.ID)
	if err != nil {
		return Page[SensitivityRule]{}, err
	}
	return cut(mapped(list, func(r store.SensitivityRule) SensitivityRule {
		out := SensitivityRule{ID: r.ID, Kind: "block", Pattern: r.Pattern, Category: r.Category, Note: r.Note, CreatedAt: r.CreatedAt.UTC()}
		if r.Allow {
			out.Kind = "allow"
		}
		return out
	}), q)
}

// SensitivityPreview is what a rule would do in the newest scan.
type SensitivityPreview struct {
	Hits    int                 `json:"hits" doc:"columns that the pattern names"`
	Changes []SensitivityChange `json:"changes"`
	More    int                 `json:"more,omitempty" doc:"further changes that are not listed"`
}

// SensitivityChange is a column that a rule would decide otherwise.
type SensitivityChange struct {
	Before SensitiveColumn `json:"before"`
	After  SensitiveColumn `json:"after"`
}

type previewQuery struct {
	Kind     string `query:"kind" doc:"block unless told" enum:"block,allow"`
	Pattern  string `query:"pattern" doc:"column, table.column or schema.table.column; * stands for anything"`
	Category string `query:"category" enum:"contact,name,identity,government_id,financial,credential,health,location,network,demographic,free_text"`
}

func (a *API) previewRule(c *call, q previewQuery) (SensitivityPreview, error) {
	p, err := a.cfg.Sensitive.Preview(c.r.Context(), c.org(), c.conn.ID, ai.RuleDraft{Allow: q.Kind == "allow", Pattern: q.Pattern, Category: mask.Category(q.Category)})
	var fields ai.FieldErrors
	if errors.As(err, &fields) {
		var words []string
		for _, name := range slices.Sorted(maps.Keys(fields)) {
			words = append(words, fields[name])
		}
		return SensitivityPreview{}, errs.New(errs.Invalid, "bad_rule", "The rule is not right.", strings.Join(words, " "))
	}
	if err != nil {
		return SensitivityPreview{}, err
	}
	out := SensitivityPreview{Hits: p.Hits, More: p.Hidden, Changes: []SensitivityChange{}}
	for _, change := range p.Changes {
		out.Changes = append(out.Changes, SensitivityChange{sensitiveOf(change.Before), sensitiveOf(change.After)})
	}
	return out, nil
}
