package ai

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/store"
)

// Column is a column of a scan with what was decided about it.
type Column struct {
	Ref      catalog.Ref
	Database string
	Table    string // with its schema
	Name     string
	Type     string
	mask.Verdict
	// Rule is the id of the rule that decided; empty = the classifier.
	Rule string
}

// Change is a column that a rule would decide otherwise.
type Change struct {
	Before, After Column
}

// judged is what was decided about what some readers see of a scan, under some
// rules.
type judged struct {
	key     string
	columns []Column
}

// keptScans is how many lists of decisions are kept.
const keptScans = 4

// Rules lists the rules of a connection.
func (s *Service) Rules(ctx context.Context, org store.OrgID, conn store.ConnectionID) (list []store.SensitivityRule, err error) {
	if err := access.Require(ctx, access.Viewer); err != nil {
		return nil, err
	}
	err = s.config.Store.ViewOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.Connection(ctx, conn); err != nil {
			return err
		}
		list, err = tx.SensitivityRules(ctx, conn)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list the sensitivity rules: %w", err)
	}
	return list, nil
}

func rulesOf(list []store.SensitivityRule) mask.Rules {
	var rules mask.Rules
	for _, r := range list {
		one := mask.Rule{Pattern: r.Pattern, Category: r.Category, Note: r.Note}
		if r.Allow {
			one.Category = ""
			rules.Allow = append(rules.Allow, one)
			continue
		}
		rules.Block = append(rules.Block, one)
	}
	return rules
}

// Classifier decides which columns of a connection are sensitive, with its rules.
func (s *Service) Classifier(ctx context.Context, org store.OrgID, conn store.ConnectionID) (*mask.Classifier, error) {
	list, err := s.Rules(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	return mask.NewClassifier(rulesOf(list))
}

// MaskColumn is a column of a catalog as the classifier wants it.
func MaskColumn(t *catalog.Table, c *catalog.Column) mask.Column {
	kind := c.DatabaseType
	if kind == "" {
		kind = c.BaseType
	}
	return mask.Column{Table: t.FullName(), Name: c.Name, Type: kind, Description: c.Description, SemanticType: c.SemanticType}
}

// columns are all columns that the actor sees, under a list of rules, in the
// order of their tables.
func (s *Service) columns(ctx context.Context, org store.OrgID, conn store.ConnectionID, rules []store.SensitivityRule) ([]Column, error) {
	x, key, err := s.config.Scans.Index(ctx, org, conn)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%q %q", org, key) // never fails
	for _, r := range rules {
		_, _ = fmt.Fprintf(h, " %q %v %q %q %q", r.ID, r.Allow, r.Pattern, r.Category, r.Note)
	}
	key = hex.EncodeToString(h.Sum(nil))
	s.mu.Lock()
	i := slices.IndexFunc(s.judged, func(j judged) bool { return j.key == key })
	if i >= 0 {
		j := s.judged[i]
		s.judged = append(slices.Delete(s.judged, i, i+1), j)
		s.mu.Unlock()
		return j.columns, nil
	}
	s.mu.Unlock()
	list, err := judge(ctx, x, rules)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged = append(s.judged, judged{key, list})
	if len(s.judged) > keptScans {
		s.judged = slices.Delete(s.judged, 0, 1)
	}
	return list, nil
}

func judge(ctx context.Context, x *catalog.Index, rules []store.SensitivityRule) ([]Column, error) {
	classifier, err := mask.NewClassifier(rulesOf(rules))
	if err != nil {
		return nil, err
	}
	rules = ordered(rules)
	databases := map[string]string{}
	for _, d := range x.Snapshot().Databases {
		databases[d.ID] = d.Name
	}
	tables := slices.Clone(x.Snapshot().Tables)
	slices.SortFunc(tables, func(a, b *catalog.Table) int {
		return strings.Compare(databases[a.DatabaseID]+"\x00"+a.FullName()+"\x00"+a.ID, databases[b.DatabaseID]+"\x00"+b.FullName()+"\x00"+b.ID)
	})
	var list []Column
	for _, t := range tables {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for _, c := range t.Columns {
			col := MaskColumn(t, c)
			one := Column{Ref: c.Ref(), Database: databases[t.DatabaseID], Table: col.Table, Name: c.Name, Type: col.Type, Verdict: classifier.Classify(col)}
			for _, r := range rules {
				if hits(r, col) {
					one.Rule = r.ID
					break
				}
			}
			list = append(list, one)
		}
	}
	return list, nil
}

// ordered are rules in the order in which they decide: those that block before
// those that allow, each as they were made.
func ordered(rules []store.SensitivityRule) []store.SensitivityRule {
	list := slices.Clone(rules)
	slices.SortStableFunc(list, func(a, b store.SensitivityRule) int {
		switch {
		case a.Allow == b.Allow:
			return 0
		case b.Allow:
			return -1
		}
		return 1
	})
	return list
}

func hits(r store.SensitivityRule, c mask.Column) bool {
	return mask.Rule{Pattern: r.Pattern}.Matches(c)
}

// ColumnQuery selects columns. Empty fields choose all.
type ColumnQuery struct {
	Text      string // part of database, table or column
	Category  mask.Category
	Sensitive string // yes, no
	By        string // rule, classifier
	Rule      string // id of a rule
	Limit     int    // 0 = all
	Offset    int
}

func (q ColumnQuery) matches(c Column) bool {
	switch {
	case q.Category != "" && c.Category != q.Category,
		q.Sensitive == "yes" && !c.Sensitive, q.Sensitive == "no" && c.Sensitive,
		q.By == "rule" && c.Rule == "", q.By == "classifier" && c.Rule != "",
		q.Rule != "" && c.Rule != q.Rule:
		return false
	}
	return q.Text == "" || strings.Contains(strings.ToLower(c.Database+" "+c.Table+"."+c.Name), strings.ToLower(strings.TrimSpace(q.Text)))
}

// ColumnPage is a part of the columns.
type ColumnPage struct {
	Columns   []Column
	Total     int // that match
	All       int
	Sensitive int                   // of all
	Counts    map[mask.Category]int // of the sensitive ones
}

// Columns lists the columns that the actor sees with what was decided about each.
// Without a scan it is errs.NotFound.
func (s *Service) Columns(ctx context.Context, org store.OrgID, conn store.ConnectionID, q ColumnQuery) (ColumnPage, error) {
	rules, err := s.Rules(ctx, org, conn)
	if err != nil {
		return ColumnPage{}, err
	}
	list, err := s.columns(ctx, org, conn, rules)
	if err != nil {
		return ColumnPage{}, err
	}
	p := ColumnPage{All: len(list), Counts: map[mask.Category]int{}}
	for _, c := range list {
		if c.Sensitive {
			p.Sensitive++
			p.Counts[c.Category]++
		}
		if !q.matches(c) {
			continue
		}
		if p.Total++; p.Total > q.Offset && (q.Limit == 0 || len(p.Columns) < q.Limit) {
			p.Columns = append(p.Columns, c)
		}
	}
	return p, nil
}

// RuleDraft is a rule that somebody may add.
type RuleDraft struct {
	Allow    bool
	Pattern  string
	Category mask.Category
	Note     string
}

const (
	maxPattern = 250
	maxNote    = 300
	maxRules   = 200
)

// Categories lists what a rule may call a column.
func Categories() []mask.Category {
	return slices.DeleteFunc(mask.Categories(), func(c mask.Category) bool { return c == mask.NoCategory })
}

func (d *RuleDraft) check() error {
	d.Pattern, d.Note = strings.TrimSpace(d.Pattern), strings.Join(strings.Fields(d.Note), " ")
	bad := FieldErrors{}
	switch {
	case d.Pattern == "":
		bad["pattern"] = "Write a column, a table and column (users.email), or a schema, table and column; * stands for anything."
	case len(d.Pattern) > maxPattern:
		bad["pattern"] = fmt.Sprintf("Write at most %d characters.", maxPattern)
	}
	if d.Allow {
		d.Category = ""
	} else if d.Category != "" && !slices.Contains(Categories(), d.Category) {
		bad["category"] = "Choose one of the list."
	}
	if len(d.Note) > maxNote {
		bad["note"] = fmt.Sprintf("Write at most %d characters.", maxNote)
	}
	if len(bad) == 0 {
		if _, err := mask.NewClassifier(rulesOf([]store.SensitivityRule{d.rule()})); errs.KindOf(err) == errs.Invalid {
			what, hint := errs.PublicText(err)
			bad["pattern"] = strings.TrimSpace(what + " " + hint)
		} else if err != nil {
			return err
		}
	}
	if len(bad) > 0 {
		return bad
	}
	return nil
}

func (d RuleDraft) rule() store.SensitivityRule {
	return store.SensitivityRule{Allow: d.Allow, Pattern: d.Pattern, Category: string(d.Category), Note: d.Note}
}

// Preview is what a rule would do in the newest scan.
type Preview struct {
	Hits    int      // columns that it names
	Changes []Change // those that it decides otherwise: sensitive or not, or of another category
	Hidden  int      // further changes, beyond those listed
}

// maxChanges bounds a preview.
const maxChanges = 200

// draftID stands for a rule that is not kept.
const draftID = "draft"

// Preview says what a rule would do; [FieldErrors] where it is not right. It
// changes nothing. It asks for the role admin.
func (s *Service) Preview(ctx context.Context, org store.OrgID, conn store.ConnectionID, d RuleDraft) (Preview, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return Preview{}, err
	}
	if err := d.check(); err != nil {
		return Preview{}, err
	}
	rules, err := s.Rules(ctx, org, conn)
	if err != nil {
		return Preview{}, err
	}
	added := d.rule()
	added.ID = draftID
	return s.compare(ctx, org, conn, rules, append(slices.Clone(rules), added), added)
}

// PreviewDelete says what would change without a rule. It asks for the role admin.
func (s *Service) PreviewDelete(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) (Preview, error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return Preview{}, err
	}
	rules, err := s.Rules(ctx, org, conn)
	if err != nil {
		return Preview{}, err
	}
	i := slices.IndexFunc(rules, func(r store.SensitivityRule) bool { return r.ID == id })
	if i < 0 {
		return Preview{}, errs.New(errs.NotFound, "no_rule", "There is no such rule.", "Somebody may have deleted it; load the page again.")
	}
	return s.compare(ctx, org, conn, rules, slices.Delete(slices.Clone(rules), i, i+1), rules[i])
}

func (s *Service) compare(ctx context.Context, org store.OrgID, conn store.ConnectionID, now, then []store.SensitivityRule, about store.SensitivityRule) (Preview, error) {
	before, err := s.columns(ctx, org, conn, now)
	if err != nil {
		return Preview{}, err
	}
	after, err := s.columns(ctx, org, conn, then)
	if err != nil {
		return Preview{}, err
	}
	if len(before) != len(after) {
		return Preview{}, errs.New(errs.Conflict, "scan_moved", "A scan ended just now.", "Load the page again.")
	}
	var p Preview
	for i := range before {
		if hits(about, mask.Column{Table: before[i].Table, Name: before[i].Name}) {
			p.Hits++
		}
		if before[i].Sensitive == after[i].Sensitive && before[i].Category == after[i].Category {
			continue
		}
		if len(p.Changes) == maxChanges {
			p.Hidden++
			continue
		}
		p.Changes = append(p.Changes, Change{before[i], after[i]})
	}
	return p, nil
}

// AddRule keeps a rule; [FieldErrors] where it is not right. It asks for the role
// admin.
func (s *Service) AddRule(ctx context.Context, org store.OrgID, conn store.ConnectionID, d RuleDraft) (rule store.SensitivityRule, err error) {
	if err := access.Require(ctx, access.Admin); err != nil {
		return rule, err
	}
	if err := d.check(); err != nil {
		return rule, err
	}
	err = s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		have, err := tx.SensitivityRules(ctx, conn)
		if err != nil {
			return err
		}
		if len(have) >= maxRules {
			return FieldErrors{"pattern": fmt.Sprintf("There are %d rules already. Delete some, or write one with * in their place.", maxRules)}
		}
		if slices.ContainsFunc(have, func(r store.SensitivityRule) bool {
			return r.Allow == d.Allow && r.Pattern == d.Pattern && r.Category == string(d.Category)
		}) {
			return FieldErrors{"pattern": "There is a rule of this pattern already."}
		}
		rule = d.rule()
		rule.Connection, rule.CreatedBy = conn, store.UserID(access.From(ctx).User)
		if rule, err = tx.AddSensitivityRule(ctx, rule); err != nil {
			return err
		}
		return auditRule(ctx, tx, "sensitivity_rule_added", rule)
	})
	var fields FieldErrors
	if err != nil && !errors.As(err, &fields) {
		return rule, fmt.Errorf("add a sensitivity rule: %w", err)
	}
	return rule, err
}

// DeleteRule deletes a rule. It asks for the role admin.
func (s *Service) DeleteRule(ctx context.Context, org store.OrgID, conn store.ConnectionID, id string) error {
	if err := access.Require(ctx, access.Admin); err != nil {
		return err
	}
	err := s.config.Store.InOrg(ctx, org, func(ctx context.Context, tx *store.Tx) error {
		rule, err := tx.DeleteSensitivityRule(ctx, conn, id)
		if err != nil {
			return err
		}
		return auditRule(ctx, tx, "sensitivity_rule_deleted", rule)
	})
	if err != nil {
		return fmt.Errorf("delete a sensitivity rule: %w", err)
	}
	return nil
}

func auditRule(ctx context.Context, tx *store.Tx, action string, r store.SensitivityRule) error {
	kind := "block"
	if r.Allow {
		kind = "allow"
	}
	return audit(ctx, tx, action, "connection:"+string(r.Connection), map[string]string{"rule": r.ID, "kind": kind, "pattern": r.Pattern, "category": r.Category, "note": r.Note})
}
