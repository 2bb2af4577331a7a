package mbql

// operatorTraits is what the decoder and the canonical form must know about an
// operator. Operators that are not listed are recursed into generically.
type operatorTraits uint8

const (
	fieldFirst  operatorTraits = 1 << iota // a bare integer in first place is a field in legacy MBQL
	keywordArgs                            // text arguments are units, no data
	commutative                            // the order of the arguments does not matter
	aggregate                              // an aggregation
)

func traits(op string) (operatorTraits, bool) {
	switch op {
	case "and", "or", "+", "*":
		return commutative, true
	case "=", "!=", "in", "not-in", "<", ">", "<=", ">=", "between", "inside",
		"is-null", "not-null", "is-empty", "not-empty",
		"contains", "does-not-contain", "starts-with", "ends-with":
		return fieldFirst, true
	case "time-interval", "relative-time-interval", "during":
		return fieldFirst | keywordArgs, true
	case "relative-datetime", "interval", "absolute-datetime", "datetime-add", "datetime-subtract",
		"datetime-diff", "temporal-extract", "get-week", "get-day-of-week", "datetime":
		return keywordArgs, true
	case "count", "cum-count", "sum", "cum-sum", "avg", "min", "max", "distinct", "stddev", "var",
		"median", "percentile":
		return fieldFirst | aggregate, true
	case "share", "count-where", "sum-where", "distinct-where", "offset", "rows":
		return aggregate, true
	case "not", "now", "today", "-", "/", "abs", "ceil", "floor", "round", "sqrt", "exp", "log", "power",
		"concat", "substring", "replace", "split-part", "trim", "ltrim", "rtrim", "upper", "lower", "length",
		"regex-match-first", "collate", "host", "domain", "subdomain", "path",
		"text", "integer", "float", "date", "convert-timezone",
		"get-year", "get-quarter", "get-month", "get-day", "get-hour", "get-minute", "get-second",
		"day-name", "month-name", "quarter-name", "case", "if", "coalesce",
		"asc", "desc", "value", "dimension", "variable", "text-tag", "template-tag",
		"field", "field-id", "field-literal", "fk->", "joined-field", "datetime-field", "binning-strategy",
		"expression", "aggregation", "aggregate-field", "segment", "metric", "measure",
		"aggregation-options", "named", "ga":
		return 0, true
	}
	return 0, false
}

func knownOperator(op string) bool { _, ok := traits(op); return ok }

func takesField(op string) bool { t, _ := traits(op); return t&fieldFirst != 0 }

func takesKeyword(op string) bool { t, _ := traits(op); return t&keywordArgs != 0 }
