// Package ddl reads what a migration does to tables and columns: DDL of many
// dialects, one statement after the other, tolerant of whatever stands beside
// it. It knows no schema and runs nothing; what it does not understand is given
// back as such, never guessed.
package ddl

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// Action is what a statement does.
type Action string

// The actions.
const (
	DropTable    Action = "drop_table"    // a view, too
	RenameTable  Action = "rename_table"  // To is the new name
	DropColumn   Action = "drop_column"   //
	RenameColumn Action = "rename_column" // Text is the new name
	AlterType    Action = "alter_type"    // Text is the new type
	Define       Action = "define"        // the table or view has exactly Columns, or those of Query
	Columns      Action = "columns"       // the table now has exactly Columns
	SwapTables   Action = "swap_tables"   // Table and To exchange their names
	DropSchema   Action = "drop_schema"   // Table.Schema
	RenameSchema Action = "rename_schema" // Table.Schema, Text is the new name
	AddColumn    Action = "add_column"    // Column
)

// Name is a name of up to three parts as written, without quotes.
type Name struct {
	Catalog, Schema, Table string
}

// String writes the name with dots.
func (n Name) String() string {
	parts := make([]string, 0, 3)
	for _, p := range []string{n.Catalog, n.Schema, n.Table} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ".")
}

// Operation is one effect of a statement.
type Operation struct {
	Action  Action
	Table   Name
	To      Name
	Column  string
	Text    string
	Columns []Column // of Define and Columns; nil = not said
	Query   string   // of Define: the query that defines it
	// New is set when a Define fails, or does nothing, if the name is taken.
	New  bool
	Line int // from 1
	SQL  string
}

// Column is a column of a definition.
type Column struct {
	Name string
	Type string
}

// Skipped is a statement whose effect on tables and columns is not known.
type Skipped struct {
	Line   int
	SQL    string // the beginning of the statement on one line
	Reason string
}

// Script is a migration.
type Script struct {
	Operations []Operation
	Skipped    []Skipped
}

// Dialect is the dialect to read a text in, when no other is known: brackets
// and batches are a sign of SQL Server.
func Dialect(sql string) sqllens.Dialect {
	lower := strings.ToLower(sql)
	if strings.Contains(lower, "sp_rename") || strings.Contains(sql, "].[") {
		return sqllens.TSQL
	}
	for _, line := range strings.Split(lower, "\n") {
		if strings.TrimSpace(line) == "go" {
			return sqllens.TSQL
		}
	}
	return sqllens.Generic
}

// Read reads a script. Text beyond [sqllens.MaxSize] is listed as skipped.
func Read(sql string, d sqllens.Dialect) Script {
	r := &reader{sql: sql, dialect: d}
	if len(sql) > sqllens.MaxSize {
		r.script.Skipped = append(r.script.Skipped, Skipped{Line: 1, Reason: "the file is longer than one megabyte: its end was not read"})
	}
	if strings.Contains(strings.ToLower(sql), "delimiter") {
		sql = delimiters(sql)
		r.sql = sql
	}
	r.words = sqllens.Words(sql, d)
	for _, s := range r.statements() {
		r.words, r.at = s, 0
		r.statement()
	}
	return r.script
}

// delimiters gives statements their semicolon back where a client was told to
// end them in another way. The text keeps its length and lines.
func delimiters(sql string) string {
	var b strings.Builder
	end := ""
	for _, line := range strings.SplitAfter(sql, "\n") {
		fields := strings.Fields(line)
		if len(fields) >= 2 && strings.EqualFold(fields[0], "delimiter") {
			end = fields[1]
			if end == ";" {
				end = ""
			}
			b.WriteString(strings.Repeat(" ", len(strings.TrimRight(line, "\r\n"))) + line[len(strings.TrimRight(line, "\r\n")):])
			continue
		}
		if end != "" {
			line = strings.ReplaceAll(line, end, ";"+strings.Repeat(" ", len(end)-1))
		}
		b.WriteString(line)
	}
	return b.String()
}

type reader struct {
	sql     string
	dialect sqllens.Dialect
	words   []sqllens.Word // of the statement
	at      int
	script  Script
	schema  string // set by USE or SET search_path
	lines   int    // ends of lines before counted
	counted int
}

// statements splits the words at semicolons, batch separators, and where a line
// begins a statement that could not go on so. The body of a routine is part of
// the statement that makes it.
func (r *reader) statements() [][]sqllens.Word {
	var out [][]sqllens.Word
	all := r.words
	start, depth, blocks := 0, 0, 0
	inRoutine := false
	cut := func(end, next int) {
		if end > start {
			out = append(out, all[start:end])
		}
		start, depth, blocks, inRoutine = next, 0, 0, false
	}
	for i := range all {
		w := &all[i]
		if i == start {
			inRoutine = routine(all[i:])
		}
		switch {
		case w.Kind == sqllens.WordOperator && w.Text == "(":
			depth++
		case w.Kind == sqllens.WordOperator && w.Text == ")":
			depth = max(0, depth-1)
		case w.Kind == sqllens.WordOperator && w.Text == ";":
			if !inRoutine || blocks == 0 && r.dialect != sqllens.TSQL {
				cut(i, i+1)
			}
		case w.Kind == sqllens.WordName:
			lineStart := r.lineStart(all, i)
			switch word := lower(all, i); {
			case lineStart && word == "go" && r.lineEnd(all, i):
				cut(i, i+1)
			case inRoutine:
				blocks += block(all, i)
			case lineStart && i > start && depth == 0 && begins(all, i):
				cut(i, i)
				inRoutine = routine(all[i:])
			}
		}
	}
	cut(len(all), len(all))
	return out
}

// routine reports whether a statement makes a procedure, function or trigger.
func routine(words []sqllens.Word) bool {
	i := 0
	for i < len(words) && words[i].Kind == sqllens.WordOperator { // // of a delimiter
		i++
	}
	if first := lower(words, i); first != "create" && first != "alter" && first != "replace" {
		return false
	}
	for i++; i < len(words) && i < 24; i++ {
		switch lower(words, i) {
		case "procedure", "proc", "function", "trigger", "event", "package":
			return true
		case "table", "view", "index", "(", "as", "column", "schema", "database":
			return false
		}
	}
	return false
}

// block says whether a word of a routine's body opens (1) or closes (-1) a block.
func block(words []sqllens.Word, i int) int {
	switch lower(words, i) {
	case "begin", "case":
		if lower(words, i-1) != "end" {
			return 1
		}
	case "end":
		switch lower(words, i+1) {
		case "if", "loop", "while", "repeat", "for":
			return 0
		}
		return -1
	}
	return 0
}

// begins reports whether a statement begins here that is no part of another.
func begins(words []sqllens.Word, i int) bool {
	first, second := lower(words, i), lower(words, i+1)
	switch first {
	case "alter", "drop":
		if i > 0 && (lower(words, i-1) == "," || lower(words, i-1) == "as") {
			return false
		}
		return second == "table" || second == "view" || second == "schema" || second == "materialized"
	case "exec", "execute":
		return strings.Contains(second, "sp_rename") || lower(words, i+3) == "sp_rename"
	case "rename":
		return second == "table"
	case "create":
		return lower(words, i-1) != "as" && (second == "or" || second == "table" || second == "view")
	}
	return false
}

func lower(words []sqllens.Word, i int) string {
	if i < 0 || i >= len(words) || words[i].Kind != sqllens.WordName && words[i].Kind != sqllens.WordOperator {
		return ""
	}
	return strings.ToLower(words[i].Text)
}

// lineStart reports whether nothing but white space stands before a word.
func (r *reader) lineStart(words []sqllens.Word, i int) bool {
	from := 0
	if i > 0 {
		from = words[i-1].Span.End
	}
	return i == 0 || strings.Contains(r.sql[from:words[i].Span.Start], "\n")
}

func (r *reader) lineEnd(words []sqllens.Word, i int) bool {
	return i+1 == len(words) || strings.Contains(r.sql[words[i].Span.End:words[i+1].Span.Start], "\n")
}

// word is the current word in lower case; empty for quoted names and at the end.
func (r *reader) word() string { return lower(r.words, r.at) }

func (r *reader) peek(n int) string { return lower(r.words, r.at+n) }

func (r *reader) done() bool { return r.at >= len(r.words) }

// accept passes a sequence of words if it stands here.
func (r *reader) accept(words ...string) bool {
	for i, w := range words {
		if r.peek(i) != w {
			return false
		}
	}
	r.at += len(words)
	return true
}

// acceptAny passes words of a set, in any order and number.
func (r *reader) acceptAny(words ...string) {
	for slices.Contains(words, r.word()) {
		r.at++
	}
}

// ident reads one name.
func (r *reader) ident() (string, bool) {
	if r.done() {
		return "", false
	}
	w := &r.words[r.at]
	switch w.Kind {
	case sqllens.WordName:
		r.at++
		return w.Name + r.dashed(), true
	case sqllens.WordQuoted:
		r.at++
		return w.Name, true
	case sqllens.WordString: // "x" where double quotes hold texts
		if strings.HasPrefix(w.Text, `"`) {
			r.at++
			return w.Name, true
		}
	default:
	}
	return "", false
}

// dashed reads the rest of a name with dashes, as BigQuery's projects have.
func (r *reader) dashed() string {
	if r.dialect != sqllens.BigQuery {
		return ""
	}
	out := ""
	for r.at+1 < len(r.words) && r.word() == "-" && r.words[r.at].Span.Start == r.words[r.at-1].Span.End && r.words[r.at+1].Span.Start == r.words[r.at].Span.End {
		out += "-" + r.words[r.at+1].Text
		r.at += 2
	}
	return out
}

// name reads a name of several parts.
func (r *reader) name() (Name, bool) {
	var parts []string
	for {
		p, ok := r.ident()
		if !ok {
			return Name{}, false
		}
		if len(parts) == 0 && r.words[r.at-1].Kind == sqllens.WordQuoted && strings.HasPrefix(r.words[r.at-1].Text, "`") && strings.Contains(p, ".") {
			parts = append(parts, strings.Split(p, ".")...) // BigQuery quotes whole paths
		} else {
			parts = append(parts, p)
		}
		if r.word() != "." {
			break
		}
		for r.word() == "." { // db..table
			r.at++
		}
	}
	return r.named(parts), true
}

func (r *reader) named(parts []string) Name {
	n := Name{Table: parts[len(parts)-1]}
	if len(parts) > 1 {
		n.Schema = parts[len(parts)-2]
	} else {
		n.Schema = r.schema
	}
	if len(parts) > 2 {
		n.Catalog = parts[len(parts)-3]
	}
	return n
}

// line is the line that the statement begins on. Statements come in the order of
// the text, so that its lines are counted once.
func (r *reader) line() int {
	start := r.words[0].Span.Start
	r.lines += strings.Count(r.sql[r.counted:start], "\n")
	r.counted = start
	return 1 + r.lines
}

// text is the source of the statement.
func (r *reader) text() string {
	return r.sql[r.words[0].Span.Start:r.words[len(r.words)-1].Span.End]
}

func (r *reader) add(o Operation) {
	o.Line, o.SQL = r.line(), r.text()
	r.script.Operations = append(r.script.Operations, o)
}

func (r *reader) skip(reason string) {
	text := strings.Join(strings.Fields(r.text()), " ")
	if runes := []rune(text); len(runes) > 120 {
		text = string(runes[:120]) + "…"
	}
	r.script.Skipped = append(r.script.Skipped, Skipped{r.line(), text, reason})
}

// toComma passes the rest of an action; what is in parentheses belongs to it.
func (r *reader) toComma() {
	depth := 0
	for ; !r.done(); r.at++ {
		switch r.word() {
		case "(", "<", "[":
			depth++
		case ")", ">", "]":
			depth--
		case ",":
			if depth <= 0 {
				return
			}
		}
	}
}

// typeText reads a type up to what cannot be part of one.
func (r *reader) typeText() string {
	if r.done() {
		return ""
	}
	start, end, depth := r.words[r.at].Span.Start, r.words[r.at].Span.Start, 0
	for ; !r.done(); r.at++ {
		w := r.word()
		if depth == 0 {
			switch w {
			case ",", ")", "not", "null", "default", "using", "comment", "first", "after", "collate", "codec", "ttl", "auto_increment", "primary", "unique",
				"check", "references", "constraint", "generated", "identity", "materialized", "alias", "encode", "on", "options", "cascade", "restrict", "with", "autoincrement", "character":
				if w != "with" && (w != "character" || end != start) || w == "with" && r.peek(1) != "time" && r.peek(1) != "local" {
					return strings.TrimSpace(r.sql[start:end])
				}
			}
		}
		switch w {
		case "(", "<", "[":
			depth++
		case ")", ">", "]":
			depth--
		}
		end = r.words[r.at].Span.End
	}
	return strings.TrimSpace(r.sql[start:end])
}
