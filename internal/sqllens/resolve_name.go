package sqllens

import (
	"strconv"
	"strings"
)

// maxNameText bounds the names that dialects make of an expression's text.
const maxNameText = 200

// itemName is the output name of a select item, by the dialect's rule when it
// has no alias. place counts the outputs before it.
func (r *resolver) itemName(item SelectItem, place int) Ident {
	if item.Alias != nil {
		return *item.Alias
	}
	return r.exprName(item.Expr, place)
}

// exprName is the name that a dialect gives to an expression without alias.
func (r *resolver) exprName(e *Expr, place int) Ident {
	switch e.Kind {
	case ExprColumn:
		return e.Name[len(e.Name)-1]
	case ExprField:
		return e.Name[0]
	case ExprTag:
		return Ident{Text: e.Tag.Name}
	}
	switch r.d {
	case Postgres, Redshift:
		name, _ := postgresName(e)
		return Ident{Text: name}
	case BigQuery:
		name := Ident{Text: "f" + strconv.Itoa(r.unnamed) + "_"}
		r.unnamed++
		return name
	case Trino, Athena:
		return Ident{Text: "_col" + strconv.Itoa(place)}
	case TSQL:
		return Ident{}
	case MySQL, MariaDB:
		if e.Kind == ExprLiteral && e.Op == "string" && len(e.Text) >= 2 {
			return Ident{Text: shorten(e.Text[1 : len(e.Text)-1])}
		}
	case Spark, Databricks:
		if e.Kind == ExprCast && len(e.Args) == 1 && e.Args[0].Kind == ExprColumn {
			return r.exprName(e.Args[0], place)
		}
	case Generic:
		if e.Kind == ExprCast && len(e.Args) == 1 && e.Args[0].Kind == ExprColumn && strings.Contains(r.text(e.Span), "::") {
			return r.exprName(e.Args[0], place)
		}
	case Oracle:
		return Ident{Text: shorten(strings.ToUpper(strings.Join(strings.Fields(r.text(e.Span)), "")))}
	}
	return Ident{Text: shorten(strings.Join(strings.Fields(r.text(e.Span)), " "))}
}

// text is a piece of the source.
func (r *resolver) text(s Span) string {
	if s.Start < 0 || s.End > len(r.src) || s.Start > s.End {
		return ""
	}
	return r.src[s.Start:min(s.End, s.Start+4*maxNameText)]
}

func shorten(s string) string {
	if len(s) <= maxNameText {
		return s
	}
	return strings.ToValidUTF8(s[:maxNameText], "")
}

// postgresName follows PostgreSQL's FigureColname. strength 2 is a name proper,
// 1 a fallback that an enclosing expression may better, 0 none.
func postgresName(e *Expr) (name string, strength int) {
	switch e.Kind {
	case ExprColumn:
		return e.Name[len(e.Name)-1].Text, 2
	case ExprField:
		return e.Name[0].Text, 2
	case ExprIndex:
		return postgresName(e.Args[0])
	case ExprFunc:
		return strings.ToLower(e.Name[len(e.Name)-1].Text), 2
	case ExprCast:
		if len(e.Args) > 0 {
			if name, strength = postgresName(e.Args[0]); strength > 1 {
				return name, strength
			}
		}
		return postgresType(e.Op), 1
	case ExprCase:
		if e.Else != nil {
			if name, strength = postgresName(e.Else); strength > 1 {
				return name, strength
			}
		}
		return "case", 1
	case ExprArray:
		return "array", 2
	case ExprStruct:
		return "row", 2
	case ExprExists:
		return "exists", 2
	case ExprQuery:
		if s, ok := e.Query.Body.(*Select); ok && len(s.Items) > 0 {
			if s.Items[0].Alias != nil {
				return s.Items[0].Alias.Text, 2
			}
			return postgresName(s.Items[0].Expr)
		}
	case ExprLiteral:
		switch e.Op {
		case "bool":
			return "bool", 1
		case "typed":
			word, _, _ := strings.Cut(e.Text, " ")
			return postgresType(word), 1
		}
	case ExprInterval:
		return "interval", 1
	}
	return "?column?", 0
}

// postgresType is the internal name of a type.
func postgresType(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	text, _, _ = strings.Cut(text, "(")
	text = strings.TrimSuffix(strings.TrimSpace(text), "[]")
	switch text {
	case "int", "integer":
		return "int4"
	case "bigint":
		return "int8"
	case "smallint":
		return "int2"
	case "boolean":
		return "bool"
	case "double precision", "float":
		return "float8"
	case "real":
		return "float4"
	case "decimal":
		return "numeric"
	case "character varying":
		return "varchar"
	case "character", "char":
		return "bpchar"
	case "timestamp with time zone":
		return "timestamptz"
	case "timestamp without time zone":
		return "timestamp"
	}
	return text[strings.LastIndexByte(text, '.')+1:]
}
