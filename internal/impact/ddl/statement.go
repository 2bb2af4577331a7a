package ddl

import (
	"slices"
	"strings"

	"github.com/metalens/metalens/internal/sqllens"
)

// harmless are first words of statements that change no table's or column's
// name or type.
var harmless = []string{
	"commit", "rollback", "start", "savepoint", "release", "set", "grant", "revoke", "deny", "comment", "analyze", "vacuum", "insert", "update",
	"delete", "merge", "upsert", "select", "values", "print", "truncate", "pragma", "lock", "unlock", "explain", "describe", "show", "reset", "discard",
	"refresh", "optimize", "checkpoint", "copy", "reindex", "cluster", "end", "abort", "raiserror", "throw", "declare", "notify", "msck", "cache",
	"uncache", "put", "list", "whenever", "prompt", "spool", "exit", "quit", "purge",
}

// statement reads one statement.
func (r *reader) statement() {
	for !r.done() && r.words[r.at].Kind == sqllens.WordOperator { // what a DELIMITER left
		r.at++
	}
	for r.accept("begin") { // of a transaction or a block: what follows is a statement of its own
		r.acceptAny("tran", "transaction", "work", "try", "catch", "immediate", "deferred", "exclusive", "isolation", "atomic", "not")
	}
	for r.accept("end") {
		r.acceptAny("try", "catch", "tran", "transaction")
	}
	for r.accept("else") || r.accept("begin") {
	}
	if r.done() {
		return
	}
	first := r.word()
	switch first {
	case "alter":
		r.alter()
	case "drop":
		r.drop()
	case "create":
		r.create()
	case "replace":
		r.create() // REPLACE VIEW of Teradata
	case "rename":
		r.rename()
	case "exchange":
		r.exchange()
	case "exec", "execute":
		r.exec()
	case "use":
		r.at++
		r.acceptAny("schema", "database")
		if n, ok := r.name(); ok && r.done() {
			r.schema = n.Table
		}
	case "set":
		r.searchPath()
	case "if":
		r.conditional()
	case "with":
		return // a query
	default:
		if !slices.Contains(harmless, first) {
			r.skip("it is not understood")
		}
	}
}

// searchPath follows SET search_path TO a, b and SET SCHEMA 'a'.
func (r *reader) searchPath() {
	r.at++
	r.acceptAny("local", "session")
	if !r.accept("search_path") && !r.accept("schema") && !r.accept("current_schema") {
		return
	}
	r.acceptAny("to", "=")
	if r.done() {
		return
	}
	if w := r.words[r.at]; w.Kind == sqllens.WordString || w.Kind == sqllens.WordName || w.Kind == sqllens.WordQuoted {
		r.schema = w.Name
	}
}

// conditional reads IF … DROP TABLE …: the statement behind the condition.
func (r *reader) conditional() {
	depth := 0
	for ; !r.done(); r.at++ {
		switch w := r.word(); w {
		case "(":
			depth++
		case ")":
			depth--
		case "alter", "drop", "exec", "execute", "rename", "call":
			if depth <= 0 {
				r.words = r.words[r.at:]
				r.at = 0
				r.statement()
				return
			}
		}
	}
	// Nothing but a condition: what it guards stands in the statements behind it.
}

func (r *reader) alter() {
	r.at++
	r.acceptAny("ignore", "online", "offline", "foreign", "external", "iceberg", "dynamic", "hybrid", "materialized", "secure", "streaming", "live")
	switch r.word() {
	case "table", "view":
		view := r.word() == "view"
		r.at++
		r.alterTable(view)
	case "schema", "database", "keyspace":
		r.alterSchema()
	case "index", "sequence", "type", "role", "user", "function", "procedure", "extension", "domain", "default", "policy", "trigger", "publication",
		"subscription", "system", "session", "server", "warehouse", "task", "stream", "stage", "pipe", "aggregate", "operator", "tablespace", "group",
		"login", "authorization", "partition", "event", "rule", "statistics", "large", "language", "collation", "cluster", "search", "algorithm", "sql":
	default:
		r.at = 0
		r.skip("it is not understood")
	}
}

func (r *reader) alterSchema() {
	database := r.word() == "database"
	r.at++
	r.accept("if", "exists")
	n, ok := r.name()
	if !ok {
		return
	}
	schema := n.Table
	switch {
	case r.accept("rename", "to"):
		to, ok := r.name()
		if !ok {
			r.skip("it is not understood")
			return
		}
		if database {
			r.skip("a database is renamed; Metabase keeps its number and needs its connection changed")
			return
		}
		r.add(Operation{Action: RenameSchema, Table: Name{Schema: schema}, Text: to.Table})
	case r.accept("transfer"): // SQL Server
		if r.peek(1) == ":" || r.peek(1) == "::" {
			for r.word() != "" && r.word() != "." && r.peek(1) != "." && !r.done() {
				r.at++
			}
		}
		if t, ok := r.name(); ok {
			r.add(Operation{Action: RenameTable, Table: t, To: Name{Schema: schema, Table: t.Table}})
			return
		}
		r.skip("it is not understood")
	}
}

func (r *reader) alterTable(view bool) {
	r.accept("if", "exists")
	r.accept("only")
	n, ok := r.name()
	if !ok {
		r.at = 0
		r.skip("it is not understood")
		return
	}
	r.accept("*")
	r.onCluster()
	r.accept("if", "exists")
	if view && r.definition(n) {
		return
	}
	understood := true
	for !r.done() {
		before := r.at
		if !r.action(n) {
			understood = false
		}
		r.toComma()
		r.accept(",")
		if r.at == before {
			r.at++
		}
	}
	if !understood {
		r.skip("a part of it is not understood")
	}
}

// onCluster passes ClickHouse's ON CLUSTER name, 'name' or {macro}.
func (r *reader) onCluster() {
	if r.accept("on", "cluster") && !r.done() {
		r.at++
		for !r.done() && (r.words[r.at-1].Text == "{" || r.word() == "}") {
			r.at++
		}
	}
}

// definition reads [(columns)] AS query of ALTER VIEW.
func (r *reader) definition(n Name) bool {
	mark := r.at
	columns := r.columnNames()
	for !r.done() && r.word() != "as" && slices.Contains([]string{"with", "schemabinding", ",", "encryption", "view_metadata"}, r.word()) {
		r.at++
	}
	if !r.accept("as") || r.done() {
		r.at = mark
		return false
	}
	r.add(Operation{Action: Define, Table: n, Columns: columns, Query: r.rest()})
	r.at = len(r.words)
	return true
}

func (r *reader) rest() string {
	return r.sql[r.words[r.at].Span.Start:r.words[len(r.words)-1].Span.End]
}

// action reads one action of ALTER TABLE; false when it is not understood.
func (r *reader) action(t Name) bool {
	switch r.word() {
	case "drop":
		r.at++
		return r.dropPart(t)
	case "rename":
		r.at++
		return r.renamePart(t)
	case "alter", "modify":
		r.at++
		return r.alterPart(t)
	case "change":
		r.at++
		r.accept("column")
		r.accept("if", "exists")
		from, ok := r.ident()
		to, ok2 := r.ident()
		if !ok || !ok2 {
			return false
		}
		if strings.EqualFold(from, to) {
			if text := r.typeText(); text != "" {
				r.add(Operation{Action: AlterType, Table: t, Column: from, Text: text})
			}
			return true
		}
		r.add(Operation{Action: RenameColumn, Table: t, Column: from, Text: to})
		return true
	case "set":
		return r.setPart(t)
	case "swap":
		if !r.accept("swap", "with") {
			return false
		}
		to, ok := r.name()
		if ok {
			r.add(Operation{Action: SwapTables, Table: t, To: to})
		}
		return ok
	case "replace":
		if r.accept("replace", "columns") {
			if columns := r.columnDefinitions(); columns != nil {
				r.add(Operation{Action: Columns, Table: t, Columns: columns})
				return true
			}
			return false
		}
		return r.accept("replace", "partition")
	case "add":
		r.at++
		r.addPart(t)
		return true
	case "column", "constraint": // goes on from DROP COLUMN a, COLUMN b
		if r.droppedBefore() {
			return r.dropPart(t)
		}
		return false
	case "owner", "enable", "disable", "cluster", "inherit", "no", "attach", "detach", "validate", "replica", "force", "engine", "convert", "order", "comment",
		"auto_increment", "unset", "suspend", "resume", "recluster", "move", "freeze", "fetch", "clear", "materialize", "reset", "tablespace", "row_format",
		"partition", "reorganize", "rebuild", "check", "nocheck", "switch", "append", "diststyle", "distkey", "sortkey", "discard", "import", "default",
		"character", "collate", "logging", "nologging", "parallel", "cache", "nocache", "shrink", "compress", "with", "without", "remove", "update", "delete",
		"charset", "exchange", "truncate", "coalesce", "analyze", "optimize", "upgrade", "algorithm", "lock", "recover", "depends", "of", "not", "allow", "storage", "(":
		return true
	}
	if r.droppedBefore() { // SQL Server, Snowflake: DROP COLUMN a, b
		if c, ok := r.ident(); ok {
			r.add(Operation{Action: DropColumn, Table: t, Column: c})
			return true
		}
	}
	return false
}

// droppedBefore reports whether the action before this one dropped a column.
func (r *reader) droppedBefore() bool {
	n := len(r.script.Operations)
	return n > 0 && r.script.Operations[n-1].Action == DropColumn && r.script.Operations[n-1].SQL == r.text() && r.script.Operations[n-1].Line == r.line()
}

func (r *reader) dropPart(t Name) bool {
	column := r.accept("column") || r.accept("columns")
	r.accept("if", "exists")
	if !column {
		switch r.word() {
		case "constraint", "index", "key", "primary", "foreign", "check", "partition", "default", "projection", "statistics", "row", "all", "unique", "period",
			"policy", "identity", "not", "expression", "search", "clustering", "feature", "aggregation", "storage", "statistic", "supplemental", "detached":
			return true
		}
	}
	if r.accept("(") {
		for !r.done() && r.word() != ")" {
			if c, ok := r.ident(); ok {
				r.add(Operation{Action: DropColumn, Table: t, Column: c})
			} else {
				r.at++
			}
		}
		return true
	}
	c, ok := r.columnPath()
	if ok {
		r.add(Operation{Action: DropColumn, Table: t, Column: c})
	}
	return ok
}

// columnPath reads a column, of a nested one its dotted path.
func (r *reader) columnPath() (string, bool) {
	c, ok := r.ident()
	for ok && r.word() == "." {
		r.at++
		part, more := r.ident()
		if !more {
			break
		}
		c += "." + part
	}
	return c, ok
}

func (r *reader) renamePart(t Name) bool {
	switch r.word() {
	case "constraint", "index", "key", "partition", "attribute", "value":
		return true
	case "to", "as":
		r.at++
		return r.renamed(t)
	}
	column := r.accept("column")
	r.accept("if", "exists")
	mark := r.at
	from, ok := r.columnPath()
	if ok && r.accept("to") || ok && column && r.accept("as") {
		to, ok := r.ident()
		if ok {
			r.add(Operation{Action: RenameColumn, Table: t, Column: from, Text: to})
		}
		return ok
	}
	if column {
		return false
	}
	r.at = mark // MySQL: RENAME new_name
	return r.renamed(t)
}

func (r *reader) renamed(t Name) bool {
	schema := r.schema
	r.schema = t.Schema // a bare new name stays in the table's schema
	to, ok := r.name()
	r.schema = schema
	if ok {
		r.add(Operation{Action: RenameTable, Table: t, To: to})
	}
	return ok
}

func (r *reader) alterPart(t Name) bool {
	column := r.accept("column")
	r.accept("if", "exists")
	if !column {
		switch r.word() {
		case "constraint", "index", "check", "primary", "sort", "order", "setting", "ttl", "query", "partition", "lob", "default", "sortkey", "distkey", "diststyle", "comment", "projection", "refresh", "definition", "sample":
			if r.peek(1) != "type" && r.peek(1) != "set" {
				return true
			}
		}
	}
	if r.accept("(") { // Oracle: MODIFY (a number, b varchar2(10))
		for !r.done() && r.word() != ")" {
			r.accept("column")
			c, ok := r.ident()
			if !ok {
				return false
			}
			r.typed(t, c)
			r.toListEnd()
			r.accept(",")
		}
		return true
	}
	c, ok := r.columnPath()
	if !ok {
		return false
	}
	r.typed(t, c)
	return true
}

// toListEnd passes to the comma or parenthesis that ends an item.
func (r *reader) toListEnd() {
	depth := 0
	for ; !r.done(); r.at++ {
		switch r.word() {
		case "(":
			depth++
		case ")":
			if depth == 0 {
				return
			}
			depth--
		case ",":
			if depth == 0 {
				return
			}
		}
	}
}

// typed reads what an altered column gets: a type, or something else.
func (r *reader) typed(t Name, column string) {
	switch {
	case r.accept("set", "data", "type"), r.accept("type"), r.accept("set", "type"):
	case r.word() == "set", r.word() == "drop", r.word() == "reset", r.word() == "add", r.word() == "restart", r.word() == "not", r.word() == "null", r.word() == "default",
		r.word() == "comment", r.word() == "remove", r.word() == "modify", r.word() == "visible", r.word() == "invisible", r.word() == "constraint", r.word() == "unset",
		r.word() == "first", r.word() == "after", r.word() == "codec", r.word() == "compression", r.word() == "encrypt", r.word() == "generated":
		return
	}
	if text := r.typeText(); text != "" {
		r.add(Operation{Action: AlterType, Table: t, Column: column, Text: text})
	}
}

func (r *reader) setPart(t Name) bool {
	switch {
	case r.accept("set", "schema"):
		to, ok := r.ident()
		if ok {
			r.add(Operation{Action: RenameTable, Table: t, To: Name{Catalog: t.Catalog, Schema: to, Table: t.Table}})
		}
		return ok
	case r.accept("set", "unused"): // Oracle
		r.accept("column")
		r.accept("(")
		for !r.done() && r.word() != ")" {
			if c, ok := r.ident(); ok {
				r.add(Operation{Action: DropColumn, Table: t, Column: c})
			} else {
				r.at++
			}
		}
		r.at = len(r.words)
		return true
	}
	return true
}

// addPart notes new columns, so that a later statement may rename or drop them.
func (r *reader) addPart(t Name) {
	column := r.accept("column") || r.accept("columns")
	r.accept("if", "not", "exists")
	if !column {
		switch r.word() {
		case "constraint", "primary", "foreign", "unique", "check", "index", "key", "fulltext", "spatial", "partition", "default", "projection", "period", "statistics", "row", "search":
			return
		}
	}
	if r.word() == "(" {
		for _, c := range r.columnDefinitions() {
			r.add(Operation{Action: AddColumn, Table: t, Column: c.Name, Text: c.Type})
		}
		return
	}
	if c, ok := r.columnPath(); ok {
		r.add(Operation{Action: AddColumn, Table: t, Column: c, Text: r.typeText()})
	}
}

func (r *reader) drop() {
	r.at++
	r.acceptAny("foreign", "external", "iceberg", "dynamic", "hybrid", "materialized", "temporary", "temp", "live", "streaming", "force")
	switch r.word() {
	case "table", "tables", "view", "dictionary", "synonym":
		r.at++
		r.accept("if", "exists")
		for {
			n, ok := r.name()
			if !ok {
				r.skip("it is not understood")
				return
			}
			if !strings.HasPrefix(n.Table, "#") {
				r.add(Operation{Action: DropTable, Table: n})
			}
			if !r.accept(",") {
				return
			}
		}
	case "schema", "dataset":
		r.at++
		r.accept("if", "exists")
		for {
			n, ok := r.name()
			if !ok {
				return
			}
			r.add(Operation{Action: DropSchema, Table: Name{Schema: n.Table}})
			if !r.accept(",") {
				return
			}
		}
	case "database", "catalog":
		r.skip("a whole database is dropped; metalens impact database:ID answers for one")
	case "":
		r.skip("it is not understood")
	}
}

func (r *reader) create() {
	first := r.word()
	r.at++
	replace := first == "replace" || r.accept("or", "replace") || r.accept("or", "alter")
	for !r.done() {
		switch r.word() {
		case "table", "view":
			view := r.word() == "view"
			r.at++
			r.createRelation(replace, view)
			return
		case "global", "local", "temp", "temporary", "unlogged", "transient", "volatile", "external", "foreign", "materialized", "recursive", "secure", "force", "noforce",
			"editionable", "noneditionable", "iceberg", "dynamic", "hybrid", "streaming", "live", "multiset", "set", "private", "algorithm", "definer", "sql", "security", "invoker",
			"undefined", "merge", "temptable", "=", "@", "current_user", "event", "column", "row":
			if slices.Contains([]string{"temp", "temporary", "volatile", "private"}, r.word()) {
				return // not the table that Metabase sees
			}
			r.at++
		default:
			if w := r.words[r.at]; w.Kind == sqllens.WordString || w.Kind == sqllens.WordQuoted || r.words[r.at-1].Text == "=" || r.words[r.at-1].Text == "@" {
				r.at++ // DEFINER = `root`@`%`
				continue
			}
			return // an index, a function, …
		}
	}
}

func (r *reader) createRelation(replace, view bool) {
	isNew := !replace
	r.accept("if", "not", "exists")
	n, ok := r.name()
	if !ok {
		r.skip("it is not understood")
		return
	}
	if strings.HasPrefix(n.Table, "#") {
		return
	}
	r.onCluster()
	o := Operation{Action: Define, Table: n, New: isNew}
	if r.word() == "(" {
		if view {
			o.Columns = r.columnNames()
		} else {
			o.Columns = r.columnDefinitions()
		}
	}
	depth := 0
	for ; !r.done(); r.at++ { // options up to AS
		switch r.word() {
		case "(":
			depth++
		case ")":
			depth--
		case "as":
			if next := r.peek(1); depth == 0 && (next == "select" || next == "with" || next == "(" || next == "values" || next == "from" || next == "table") {
				r.at++
				o.Query = r.rest()
				r.add(o)
				return
			}
		}
	}
	r.add(o)
}

// columnNames reads (a, b COMMENT 'x', c).
func (r *reader) columnNames() []Column {
	if r.word() != "(" {
		return nil
	}
	var out []Column
	for _, c := range r.columnDefinitions() {
		out = append(out, Column{Name: c.Name})
	}
	return out
}

// columnDefinitions reads a parenthesised list of columns; constraints and
// indexes in it are left out. Nil when it holds none.
func (r *reader) columnDefinitions() []Column {
	if !r.accept("(") {
		return nil
	}
	var out []Column
	for !r.done() && r.word() != ")" {
		switch r.word() {
		case "constraint", "primary", "foreign", "unique", "check", "index", "key", "fulltext", "spatial", "exclude", "like", "partition", "projection", "period", "watermark":
			if r.peek(1) != "," && r.peek(1) != ")" && !isType(r.peek(1)) {
				r.toListEnd()
				r.accept(",")
				continue
			}
		}
		name, ok := r.ident()
		if !ok {
			return nil // a query in parentheses, or something else
		}
		c := Column{Name: name}
		if r.word() != "," && r.word() != ")" {
			c.Type = r.typeText()
		}
		out = append(out, c)
		r.toListEnd()
		r.accept(",")
	}
	r.accept(")")
	return out
}

// isType reports whether a word is a common type, so that a column may be named
// like a keyword.
func isType(w string) bool {
	return slices.Contains([]string{"int", "integer", "bigint", "smallint", "text", "varchar", "nvarchar", "string", "date", "timestamp", "boolean", "bool", "numeric", "decimal", "number", "float", "double", "uuid", "char"}, w)
}

// rename reads RENAME TABLE a TO b, c TO d, and Oracle's RENAME a TO b.
func (r *reader) rename() {
	r.at++
	if r.accept("dictionary") || r.accept("user") || r.accept("role") || r.accept("database") {
		r.at = 0
		r.skip("it is not understood")
		return
	}
	r.acceptAny("table", "tables", "view", "if", "exists", "object")
	for {
		from, ok := r.name()
		if !ok || !r.accept("to") && !r.accept("as") {
			r.skip("it is not understood")
			return
		}
		if !r.renamed(from) {
			r.skip("it is not understood")
			return
		}
		if !r.accept(",") {
			return
		}
	}
}

// exchange reads ClickHouse's EXCHANGE TABLES a AND b.
func (r *reader) exchange() {
	r.at++
	if r.accept("tables") {
		if a, ok := r.name(); ok && r.accept("and") {
			if b, ok := r.name(); ok {
				r.add(Operation{Action: SwapTables, Table: a, To: b})
				return
			}
		}
	}
	r.skip("it is not understood")
}

// exec reads SQL Server's sp_rename; other procedures may do anything.
func (r *reader) exec() {
	r.at++
	procedure, ok := r.name()
	if !ok || !strings.EqualFold(procedure.Table, "sp_rename") {
		r.skip("a procedure or a text that is run may change anything")
		return
	}
	arguments := map[string]string{}
	order := []string{"@objname", "@newname", "@objtype"}
	for n := 0; !r.done(); n++ {
		key := ""
		if n < len(order) {
			key = order[n]
		}
		if strings.HasPrefix(r.words[r.at].Text, "@") {
			key = strings.ToLower(r.words[r.at].Text)
			r.at++
			if key == "@" && !r.done() {
				key += r.word()
				r.at++
			}
			r.accept("=")
		}
		if r.done() {
			break
		}
		arguments[key] = r.words[r.at].Name
		r.at++
		if !r.accept(",") {
			break
		}
	}
	object, to := parts(arguments["@objname"]), arguments["@newname"]
	switch kind := strings.ToLower(arguments["@objtype"]); {
	case len(object) == 0 || to == "":
		r.skip("it is not understood")
	case kind == "column" && len(object) >= 2:
		r.add(Operation{Action: RenameColumn, Table: r.named(object[:len(object)-1]), Column: object[len(object)-1], Text: to})
	case kind == "" || kind == "object":
		n := r.named(object)
		r.add(Operation{Action: RenameTable, Table: n, To: Name{Catalog: n.Catalog, Schema: n.Schema, Table: to}})
	}
}

// parts splits a.[b].c.
func parts(text string) []string {
	var out []string
	var b strings.Builder
	quoted := false
	for _, c := range text {
		switch {
		case c == '[' || c == ']' || c == '"':
			quoted = c == '[' || c == '"' && !quoted
		case c == '.' && !quoted:
			out = append(out, b.String())
			b.Reset()
		default:
			b.WriteRune(c)
		}
	}
	if b.Len() > 0 {
		out = append(out, b.String())
	}
	return out
}
