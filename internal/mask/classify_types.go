package mask

import "strings"

// The classes of declared types, as concepts.tsv names them.
const (
	typeText    = 't'
	typeNumber  = 'n'
	typeDate    = 'd'
	typeBool    = 'b'
	typeUUID    = 'u'
	typeJSON    = 'j'
	typeCode    = 'c' // a text of one or two letters
	typeUnknown = '?'
)

// typeClass reads a type as databases and Metabase declare it. What it does not
// know is typeUnknown, which speaks against nothing.
func typeClass(declared string) byte {
	var buf [48]byte
	n := 0
	for i := 0; i < len(declared) && n < len(buf); i++ {
		c := declared[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		buf[n] = c
		n++
	}
	t := string(buf[:n])
	t = strings.TrimPrefix(strings.TrimSpace(t), "type/")
	for _, wrap := range []string{"nullable(", "lowcardinality("} { // ClickHouse
		t = strings.TrimPrefix(t, wrap)
	}
	if class, ok := typeWord(t); ok {
		return class
	}
	end := strings.IndexFunc(t, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if end < 0 {
		return typeUnknown
	}
	if strings.HasPrefix(t, "tinyint(1)") || strings.HasPrefix(t, "bit(1)") {
		return typeBool
	}
	if class, ok := typeWord(t[:end]); ok {
		if size := strings.TrimSpace(t[end:]); class == typeText && (strings.HasPrefix(size, "(1)") || strings.HasPrefix(size, "(2)")) {
			return typeCode
		}
		return class
	}
	return typeUnknown
}

func typeWord(t string) (byte, bool) {
	switch t {
	case "text", "string", "varchar", "char", "character", "nvarchar", "nchar", "citext", "clob", "nclob", "ntext", "longtext", "mediumtext", "tinytext",
		"varchar2", "nvarchar2", "bpchar", "name", "character varying", "character large object", "textlike", "fixedstring", "enum", "tsvector", "inet", "cidr", "macaddr", "sysname", "long":
		return typeText, true
	case "int", "integer", "bigint", "smallint", "tinyint", "mediumint", "int_", "serial", "bigserial", "smallserial", "numeric", "decimal", "number", "float", "double", "real", "money",
		"smallmoney", "biginteger", "bignumeric", "double precision", "uint", "byte", "short", "counter", "bigdecimal", "year", "interval", "duration", "mwtinyint":
		return typeNumber, true
	case "date", "datetime", "timestamp", "time", "timestamptz", "timetz", "smalldatetime", "datetimeoffset", "datetimetz", "mwtimestamp", "timestamp_ntz", "timestamp_ltz", "timestamp_tz",
		"datetimewithlocaltz", "datetimewithtz", "datetimewithzoneoffset", "datetimewithzoneid", "timewithlocaltz", "timewithtz", "instant", "temporal":
		return typeDate, true
	case "bool", "boolean", "bit", "logical":
		return typeBool, true
	case "uuid", "uniqueidentifier", "guid":
		return typeUUID, true
	case "json", "jsonb", "record", "struct", "object", "variant", "map", "array", "hstore", "xml", "super", "structured", "dictionary", "serialized", "row", "super_":
		return typeJSON, true
	}
	return 0, false
}

func typeMeaning(class byte) string {
	switch class {
	case typeNumber:
		return "a number"
	case typeDate:
		return "a time"
	case typeBool:
		return "yes or no"
	case typeUUID:
		return "a UUID"
	case typeJSON:
		return "JSON"
	default:
		return "a text"
	}
}
