package tools

import (
	"context"
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/llm"
	"github.com/metalens/metalens/internal/mask"
	"github.com/metalens/metalens/internal/sqllens"
)

// maxSQL bounds a text that a model wrote, in bytes.
const maxSQL = 100_000

type checkSQLIn struct {
	Database string `json:"database" desc:"ref of the database it is for, such as database:1"`
	SQL      string `json:"sql" desc:"one SELECT; placeholders may stand in it"`
}

// Problem is what is wrong with a text.
type Problem struct {
	Reason mask.Text `json:"reason" desc:"code"`
	Detail mask.Text `json:"detail" desc:"masked"`
}

type checkSQLOut struct {
	Parsed   bool      `json:"parsed"`
	Resolved bool      `json:"resolved" desc:"every table and column exists"`
	ReadOnly bool      `json:"read_only" desc:"one statement that only reads"`
	Tables   []Brief   `json:"tables"`
	Problems []Problem `json:"problems"`
}

func checkSQLTool() (tool, error) {
	return define("check_sql", "Check SQL", llm.SchemaOf[checkSQLIn]("check_sql"),
		mask.Constant("Reads SQL without running it and says whether it parses, whether every table and column in it exists in the database, and whether it only reads. Check SQL with it before you suggest it."),
		func(_ context.Context, c *call, in checkSQLIn) (checkSQLOut, error) {
			database, err := c.idOf(&in.Database, catalog.KindDatabase)
			if err != nil {
				return checkSQLOut{}, err
			}
			if strings.TrimSpace(in.SQL) == "" || len(in.SQL) > maxSQL {
				return checkSQLOut{}, errs.New(errs.Invalid, "no_sql", "There is no SQL.", "")
			}
			v := c.Verify(database, in.SQL)
			out := checkSQLOut{Parsed: v.Parsed, Resolved: v.Resolved, ReadOnly: v.ReadOnly, Tables: []Brief{}, Problems: []Problem{}}
			for _, r := range v.Tables[:min(len(v.Tables), maxNear)] {
				out.Tables = append(out.Tables, c.Brief(r))
			}
			for _, p := range v.Problems[:min(len(v.Problems), maxNear)] {
				out.Problems = append(out.Problems, Problem{c.Word(p.Reason), c.Fragment(database, p.Detail)})
			}
			switch {
			case v.Resolved:
				c.say("Checked SQL: every table and column exists")
			case v.Parsed:
				c.say("Checked SQL: " + count(len(v.Problems), "name is", "names are") + " not known")
			default:
				c.say("Checked SQL: it does not parse")
			}
			return out, nil
		})
}

// Trouble is what is wrong with SQL, for people.
type Trouble struct {
	Reason string `json:"reason"` // snake_case code
	Detail string `json:"detail"`
}

// Verdict is what reading SQL without running it tells.
type Verdict struct {
	Parsed   bool          `json:"parsed"`   // without skipping anything
	Resolved bool          `json:"resolved"` // and every table and column exists
	ReadOnly bool          `json:"read_only"`
	Tables   []catalog.Ref `json:"tables,omitempty"`
	Problems []Trouble     `json:"problems,omitempty"`
}

// Verify reads SQL against the schema of a database. It is never run.
func (l *Lens) Verify(databaseID, sql string) Verdict {
	schema, dialect := l.Schema(databaseID), l.Dialect(databaseID)
	tree := sqllens.Parse(sql, dialect, true)
	lineages := sqllens.Resolve(tree, schema, nil)
	v := Verdict{Parsed: !tree.Recovered && len(tree.Problems) == 0 && len(lineages) > 0}
	for _, p := range tree.Problems {
		v.Problems = append(v.Problems, Trouble{p.Code, p.Message})
	}
	v.ReadOnly = len(tree.Statements) == 1 && tree.Statements[0].Kind == sqllens.StatementSelect
	for _, one := range lineages {
		for _, t := range one.Tables {
			if schema == nil {
				continue
			}
			if r, ok := l.tableOf(databaseID, t.Table); ok && !slices.Contains(v.Tables, r) {
				v.Tables = append(v.Tables, r)
			}
		}
		for _, u := range one.Unresolved {
			v.Problems = append(v.Problems, Trouble{u.Reason, u.Detail})
		}
	}
	v.Resolved = v.Parsed && schema != nil && len(v.Problems) == 0
	if schema == nil {
		v.Problems = append(v.Problems, Trouble{"no_schema", "the tables of this database are not known"})
	}
	return v
}

// tableOf finds a table that SQL names.
func (l *Lens) tableOf(databaseID string, t sqllens.TableRef) (catalog.Ref, bool) {
	for _, have := range l.World.Index.Snapshot().Tables {
		if have.DatabaseID == databaseID && have.Name == t.Name && (t.Schema == "" || have.Schema == t.Schema) {
			return have.Ref(), true
		}
	}
	return catalog.Ref{}, false
}

// Alike reports whether two texts mean the same for certain: their normal forms
// are equal.
func (l *Lens) Alike(databaseID, a, b string) bool {
	d := l.Dialect(databaseID)
	x, y := sqllens.Canonicalize(a, d), sqllens.Canonicalize(b, d)
	return x.Fingerprints.Equivalent != "" && x.Fingerprints.Equivalent == y.Fingerprints.Equivalent
}
