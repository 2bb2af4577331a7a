package sqllens

import "strings"

// plainColumns says that no column of a dialect has fields to be named behind a
// dot: what stands before the dot is a table.
func (d Dialect) plainColumns() bool {
	return d == MySQL || d == MariaDB || d == SQLite
}

// pseudoColumn are columns that tables have without listing them.
func (r *resolver) pseudoColumn(id Ident) bool {
	switch strings.ToLower(id.Text) {
	case "rowid", "_rowid_", "oid", "ctid", "xmin", "xmax", "tableoid", "rownum", "_partitiontime", "_partitiondate", "_table_suffix", "_file_name", "ora_rowscn", "object_value":
		return true
	}
	return r.tablePseudo(id)
}

// tablePseudo are columns that a database adds to its tables: no part of their
// schema and no data of theirs.
func (r *resolver) tablePseudo(id Ident) bool {
	name := strings.ToLower(id.Text)
	switch r.d {
	case BigQuery, Generic:
		switch name {
		case "_table_suffix", "_partitiontime", "_partitiondate", "_file_name":
			return true
		}
	case Postgres:
		switch name {
		case "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid":
			return true
		}
	case Oracle:
		return name == "rowid" || name == "ora_rowscn"
	case SQLite:
		return name == "rowid" || name == "_rowid_"
	case DuckDB:
		return name == "rowid"
	case Trino, Athena:
		switch name {
		case "$path", "$file_size", "$file_modified_time", "$partition", "$bucket", "$row_id":
			return id.Quote != 0
		}
	case ClickHouse:
		switch name {
		case "_part", "_part_index", "_part_uuid", "_partition_id", "_partition_value", "_table", "_database", "_path", "_file", "_sample_factor":
			return true
		}
	case Spark, Databricks:
		return name == "_metadata"
	}
	return false
}
