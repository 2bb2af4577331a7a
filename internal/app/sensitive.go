package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// SensitiveOptions are the flags of the sensitive commands.
type SensitiveOptions struct {
	JSONL bool   // one column per line instead of one
	File  string // "" and "-" are standard input
}

// SensitiveClassify answers whether columns keep personal or secret data, and
// why. It reads no Metabase and knows no connection's lists.
func SensitiveClassify(ctx context.Context, env Env, o SensitiveOptions) error {
	classifier, err := mask.NewClassifier(mask.Rules{})
	if err != nil {
		return err
	}
	sql := SQLOptions{Dialect: string(sqllens.Generic), JSONL: o.JSONL, File: o.File}
	return runSQL(ctx, env, sql, func() answerer { return columnClassifier{classifier} })
}

// columnClassifier answers sensitive classify.
type columnClassifier struct {
	classifier *mask.Classifier
}

type classifyRequest struct {
	ID           json.RawMessage `json:"id"`
	Table        string          `json:"table"`
	Column       *string         `json:"column"`
	Type         string          `json:"type"`
	Description  string          `json:"description"`
	SemanticType string          `json:"semantic_type"`
}

type classifyAnswer struct {
	ID        json.RawMessage `json:"id,omitempty"`
	Sensitive bool            `json:"sensitive"`
	Score     float64         `json:"score"`
	Category  mask.Category   `json:"category"`
	Reason    string          `json:"reason"`
}

// one answers a request that is the whole input.
func (c columnClassifier) one(text, dialect string) any {
	return c.line([]byte(text), dialect)
}

// line answers one request. The dialect means nothing here.
func (c columnClassifier) line(data []byte, _ string) any {
	if len(data) > sqllens.MaxSize {
		return failure(idOf(data), "too_large", "the line is longer than 1 MB")
	}
	var in classifyRequest
	if err := json.Unmarshal(data, &in); err != nil {
		return failure(idOf(data), "bad_json", "the line is not a request: "+jsonTrouble(err))
	}
	if in.Column == nil || strings.TrimSpace(*in.Column) == "" {
		return failure(in.ID, "missing_column", "the request names no column")
	}
	v := c.classifier.Classify(mask.Column{
		Table: in.Table, Name: *in.Column, Type: in.Type, Description: in.Description, SemanticType: in.SemanticType,
	})
	return classifyAnswer{ID: in.ID, Sensitive: v.Sensitive, Score: v.Score, Category: v.Category, Reason: v.Reason}
}
