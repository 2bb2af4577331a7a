package api_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
	"github.com/metalens/metalens/internal/store/storetest"
)

// columns is a made-up list of decisions.
type columns struct{}

func column(name string, v mask.Verdict, rule string) ai.Column {
	return ai.Column{
		Ref: catalog.Ref{Kind: catalog.KindColumn, ID: "1/public/users/" + name}, Database: "Shop", Table: "public.users", Name: name, Type: "text", Verdict: v, Rule: rule,
	}
}

func (columns) Columns(_ context.Context, _ store.OrgID, _ store.ConnectionID, q ai.ColumnQuery) (ai.ColumnPage, error) {
	all := []ai.Column{
		column("email", mask.Verdict{Sensitive: true, Score: 0.9, Category: mask.Contact, Reason: "its name"}, ""),
		column("id", mask.Verdict{Category: mask.NoCategory, Reason: "nothing"}, ""),
		column("plan", mask.Verdict{Sensitive: true, Score: 1, Category: mask.Financial, Reason: "blocked"}, "r1"),
	}
	p := ai.ColumnPage{All: len(all)}
	for _, c := range all {
		if q.Sensitive == "yes" && !c.Sensitive || q.Category != "" && q.Category != c.Category {
			continue
		}
		if p.Total++; p.Total > q.Offset && len(p.Columns) < q.Limit {
			p.Columns = append(p.Columns, c)
		}
	}
	return p, nil
}

func (columns) Rules(context.Context, store.OrgID, store.ConnectionID) ([]store.SensitivityRule, error) {
	clock := storetest.NewClock()
	return []store.SensitivityRule{{ID: "r1", Pattern: "users.plan", Category: "financial", CreatedAt: clock.Now()}, {ID: "r2", Allow: true, Pattern: "cities.*", CreatedAt: clock.Now()}}, nil
}

func (columns) Preview(ctx context.Context, _ store.OrgID, _ store.ConnectionID, d ai.RuleDraft) (ai.Preview, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return ai.Preview{}, err
	}
	if d.Pattern == "" {
		return ai.Preview{}, ai.FieldErrors{"pattern": "Write a column."}
	}
	before := column("id", mask.Verdict{Category: mask.NoCategory}, "")
	after := column("id", mask.Verdict{Sensitive: !d.Allow, Score: 1, Category: d.Category}, "draft")
	return ai.Preview{Hits: 2, Changes: []ai.Change{{Before: before, After: after}}}, nil
}

// TestSensitiveColumns lists decisions and rules, and previews for admins alone.
func TestSensitiveColumns(t *testing.T) {
	w := newWorld(t)
	w.strong = true
	base := "/connections/" + string(w.conn.ID)
	admin, _ := w.token(w.member(store.RoleAdmin), access.ScopeRead, access.ScopeAdminRead)
	viewer, _ := w.token(w.member(store.RoleViewer), access.ScopeRead)
	get := func(path, token string, into any) int {
		t.Helper()
		out := w.ask(http.MethodGet, path, token, "")
		if out.Code == http.StatusOK {
			if err := json.Unmarshal(out.Body.Bytes(), into); err != nil {
				t.Fatal(err)
			}
		}
		return out.Code
	}
	var list struct {
		Items []struct {
			ID, Category, Rule string
			Sensitive          bool
		}
		Total int
	}
	if code := get(base+"/sensitive-columns?sensitive=yes&category=financial", viewer, &list); code != http.StatusOK || list.Total != 1 || list.Items[0].ID != "1/public/users/plan" || list.Items[0].Rule != "r1" {
		t.Errorf("%d %+v", code, list)
	}
	if code := get(base+"/sensitive-columns?category=other", viewer, nil); code != http.StatusBadRequest && code != http.StatusUnprocessableEntity {
		t.Errorf("an unknown category: %d", code)
	}
	var rules struct {
		Items []struct{ ID, Kind, Pattern string }
	}
	if code := get(base+"/sensitivity-rules", viewer, &rules); code != http.StatusOK || len(rules.Items) != 2 || rules.Items[0].Kind != "block" || rules.Items[1].Kind != "allow" {
		t.Errorf("%d %+v", code, rules)
	}
	var preview struct {
		Hits    int
		Changes []struct{ After struct{ Sensitive bool } }
	}
	path := base + "/sensitivity-rules/preview?pattern=users.id&category=identity"
	if code := get(path, viewer, nil); code != http.StatusForbidden {
		t.Errorf("a viewer previews: %d", code)
	}
	if code := get(path, admin, &preview); code != http.StatusOK || preview.Hits != 2 || !preview.Changes[0].After.Sensitive {
		t.Errorf("%d %+v", code, preview)
	}
	out := w.ask(http.MethodGet, base+"/sensitivity-rules/preview", admin, "")
	if p := problem(t, out); p.Code != "bad_rule" || !strings.Contains(out.Body.String(), "Write a column.") {
		t.Errorf("without a pattern: %d %s", out.Code, out.Body)
	}
}
