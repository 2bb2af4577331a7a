package sqllens

import "strings"

// Dialect names a SQL dialect as docs/schema and the command line spell it.
type Dialect string

// The dialects. Generic is the union of what the others agree on.
const (
	Postgres   Dialect = "postgres"
	MySQL      Dialect = "mysql"
	MariaDB    Dialect = "mariadb"
	BigQuery   Dialect = "bigquery"
	Snowflake  Dialect = "snowflake"
	Redshift   Dialect = "redshift"
	ClickHouse Dialect = "clickhouse"
	DuckDB     Dialect = "duckdb"
	TSQL       Dialect = "tsql"
	Trino      Dialect = "trino"
	Athena     Dialect = "athena"
	Spark      Dialect = "spark"
	Databricks Dialect = "databricks"
	Oracle     Dialect = "oracle"
	SQLite     Dialect = "sqlite"
	Generic    Dialect = "generic"
)

// Dialects lists every dialect that [ParseDialect] answers with.
func Dialects() []Dialect {
	return []Dialect{
		Postgres, MySQL, MariaDB, BigQuery, Snowflake, Redshift, ClickHouse, DuckDB,
		TSQL, Trino, Athena, Spark, Databricks, Oracle, SQLite, Generic,
	}
}

// ParseDialect finds a dialect by name or alias. An empty name is Generic; an
// unknown one is not ok.
func ParseDialect(name string) (Dialect, bool) {
	switch d := Dialect(strings.ToLower(strings.TrimSpace(name))); d {
	case Postgres, MySQL, MariaDB, BigQuery, Snowflake, Redshift, ClickHouse, DuckDB,
		TSQL, Trino, Athena, Spark, Databricks, Oracle, SQLite, Generic:
		return d, true
	case "":
		return Generic, true
	case "postgresql", "cockroachdb", "greenplum", "materialize", "vertica", "exasol":
		return Postgres, true
	case "sqlserver", "mssql":
		return TSQL, true
	case "presto", "presto-jdbc":
		return Trino, true
	case "sparksql", "hive", "impala":
		return Spark, true
	case "starrocks", "doris":
		return MySQL, true
	case "h2", "ansi", "db2", "teradata":
		return Generic, true
	}
	return "", false
}

// DialectOfEngine maps Metabase's engine names to dialects. ok is false for
// engines that do not speak SQL (MongoDB, Druid) and for unknown ones.
func DialectOfEngine(engine string) (Dialect, bool) {
	switch engine {
	case "bigquery-cloud-sdk", "bigquery", "googleanalytics":
		return BigQuery, true
	case "sparksql":
		return Spark, true
	case "presto-jdbc", "starburst":
		return Trino, true
	case "mongo", "druid", "":
		return "", false
	}
	return ParseDialect(engine)
}

// caseRule says how names compare.
type caseRule uint8

const (
	foldLower   caseRule = iota // unquoted folds to lower, quoted is exact (PostgreSQL)
	foldUpper                   // unquoted folds to upper, quoted is exact (Snowflake, Oracle)
	insensitive                 // never exact (MySQL columns, SQL Server, BigQuery columns, SQLite, DuckDB, Spark, Trino)
	sensitive                   // always exact (ClickHouse)
)

// traits is what the lexer, parser and resolver need to know of a dialect. The
// grammar is the union of all dialects; traits settle only what two dialects
// read differently.
type traits struct {
	names           caseRule
	backtickIdent   bool // `x` is an identifier
	doubleQuoteText bool // "x" is a string (MySQL, BigQuery, Spark, Databricks)
	bracketIdent    bool // [x] is an identifier (SQL Server, SQLite)
	backslash       bool // \' escapes inside strings
	hashComment     bool // # starts a comment
	slashComment    bool // // starts a comment (Snowflake)
	nestedComment   bool // /* /* */ */
	dollarQuote     bool // $tag$ … $tag$
	dashNeedsSpace  bool // -- starts a comment only before white space (MySQL)
	executable      bool // /*! … */ is code (MySQL, MariaDB)
	rawPrefixes     bool // r'', b'' string prefixes and triple quotes (BigQuery)
	dashedNames     bool // project-id.dataset.table unquoted (BigQuery)
	wholeNameQuote  bool // `a.b.c` quotes the whole path (BigQuery)
	lateralAlias    bool // earlier aliases of a select list may be used in it, columns first
	aliasFirst      bool // … aliases before columns (ClickHouse)
	structAccess    bool // a.b.c may reach into a struct column
	catalogParts    bool // three-part names start with a catalog (rather than a server)
	semicolonless   bool // statements may follow each other without a semicolon (SQL Server)
}

func (d Dialect) traits() *traits {
	if t, ok := dialectTraits[d]; ok {
		return t
	}
	return dialectTraits[Generic]
}

var dialectTraits = map[Dialect]*traits{
	Postgres:   {names: foldLower, nestedComment: true, dollarQuote: true, structAccess: true, catalogParts: true},
	Redshift:   {names: insensitive, nestedComment: true, dollarQuote: true, lateralAlias: true, structAccess: true, catalogParts: true},
	MySQL:      {names: insensitive, backtickIdent: true, doubleQuoteText: true, backslash: true, hashComment: true, dashNeedsSpace: true, executable: true},
	MariaDB:    {names: insensitive, backtickIdent: true, doubleQuoteText: true, backslash: true, hashComment: true, dashNeedsSpace: true, executable: true},
	BigQuery:   {names: insensitive, backtickIdent: true, doubleQuoteText: true, backslash: true, hashComment: true, rawPrefixes: true, dashedNames: true, wholeNameQuote: true, structAccess: true, catalogParts: true},
	Snowflake:  {names: foldUpper, slashComment: true, backslash: true, dollarQuote: true, lateralAlias: true, structAccess: true, catalogParts: true},
	ClickHouse: {names: sensitive, backtickIdent: true, backslash: true, hashComment: true, nestedComment: true, dollarQuote: true, lateralAlias: true, aliasFirst: true, structAccess: true},
	DuckDB:     {names: insensitive, nestedComment: true, dollarQuote: true, lateralAlias: true, structAccess: true, catalogParts: true},
	TSQL:       {names: insensitive, bracketIdent: true, nestedComment: true, catalogParts: true, semicolonless: true},
	Trino:      {names: insensitive, structAccess: true, catalogParts: true},
	Athena:     {names: insensitive, backtickIdent: true, structAccess: true, catalogParts: true},
	Spark:      {names: insensitive, backtickIdent: true, doubleQuoteText: true, backslash: true, lateralAlias: true, structAccess: true, catalogParts: true, nestedComment: true},
	Databricks: {names: insensitive, backtickIdent: true, doubleQuoteText: true, backslash: true, lateralAlias: true, structAccess: true, catalogParts: true, nestedComment: true},
	Oracle:     {names: foldUpper, catalogParts: false},
	SQLite:     {names: insensitive, backtickIdent: true, bracketIdent: true},
	Generic:    {names: insensitive, backtickIdent: true, nestedComment: true, dollarQuote: true, structAccess: true, catalogParts: true},
}
