package webtest

import (
	"context"

	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/posture"
)

// Posture implements security.Service with a statement of every kind of line.
func (b *Backend) Posture(_ context.Context, _ auth.Identity) (*posture.Report, error) {
	if b.Broken != nil {
		return nil, b.Broken
	}
	r := &posture.Report{SchemaVersion: 1, At: b.Clock(), Version: "v0.0.0-test", Organization: "Northwind Outfitters"}
	r.Add(posture.Section{
		ID: "reads", Title: "What is read", Intro: "The reader can form these requests and no others.",
		Facts: []posture.Fact{
			{Label: "Kind of request", Value: "GET only, on 28 routes", State: posture.Fine, Source: posture.BuiltIn, Proof: "TestEveryRouteIsSafe"},
			{Label: "Private addresses", Value: "allowed", Detail: "because the pages are on loopback only", State: posture.Notice, Source: posture.Configuration},
			{Label: "Certificate", Value: "expired", State: posture.Problem, Source: posture.Records},
			{Label: "Ledger", Value: "not verified yet", State: posture.Unknown, Source: posture.Records},
		},
		Table: &posture.Table{
			Caption: "Routes", Columns: []string{"Route", "What is taken from it", "Last scans"}, Numbers: []bool{false, false, true},
			Rows: [][]string{{"GET /api/card", "questions, models and metrics", "3"}},
		},
	})
	return r, nil
}
