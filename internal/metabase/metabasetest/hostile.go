package metabasetest

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// HostileMark is part of every hostile text: a script that calls a function of
// this name ran, an element or attribute with it broke out.
const HostileMark = "zqhostile"

// HostileHost is the host of every address in hostile texts; nothing may ask it.
const HostileHost = "zqhostile.example"

// structural are the fields whose value decides what the world means; a hostile
// text there would make content vanish instead of being shown.
var structural = []string{
	"EntityID", "Type", "Magic", "Namespace", "Engine", "Timezone", "Locale", "BaseType", "DatabaseType", "SemanticType", "EntityType", "Visibility", "DataAuthority",
	"Coercion", "Sensitivity", "Display", "SavedIn", "Schedule", "Day", "Frame", "Condition", "ViewData", "CreateQueries", "Strategy", "Fields", "Op", "PublicUUID", "Slug",
	"ID", "Target", "TargetID", "Schema", "TargetSchema", "Email", "Alias", "Unit", "Temporal", "Bucket", "Collection",
}

// Poison puts a hostile text into every other string of the world: names,
// descriptions, SQL, labels. It is meant for tests that show what was read: in
// pages, exports, terminals and logs. It returns how many texts it wrote.
func (w *World) Poison() int {
	p := &poisoner{}
	v := reflect.ValueOf(w).Elem()
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !slices.Contains(structural, f.Name) {
			p.walk(v.Field(i), f.Name)
		}
	}
	return p.n
}

type poisoner struct{ n int }

// text is a hostile text, another kind each time; it begins with what was there,
// or with what a spreadsheet takes for a formula.
func (p *poisoner) text(was string) string {
	p.n++
	call := HostileMark + "(" + strconv.Itoa(p.n) + ")"
	site := "http://" + HostileHost + "/" + strconv.Itoa(p.n)
	kinds := []string{
		was + `"'><img src=x onerror=` + call + `><script>` + call + `</script>`,
		`=HYPERLINK("` + site + `","` + was + `")`,
		was + `</title></textarea></style></script><svg/onload=` + call + `>`,
		"+" + was + "|cmd' /C " + HostileMark + "'!A0",
		was + "\x1b]0;" + HostileMark + "\x07\x1b[31m\u202e\u2066\u009b31m\x00\x08\u2028",
		was + `](` + site + `) ![x](` + site + `.png) <` + site + `> | cell | ` + "```" + ` ` + "`" + HostileMark + "`",
		"@SUM(1+1)*" + was + " " + HostileMark,
		was + `" autofocus onfocus="` + call + `" data-` + HostileMark + `="1`,
		"-2+3" + was + " " + HostileMark,
		was + "\r\nX-" + HostileMark + ": 1\r\n\r\ntime=now level=ERROR msg=" + HostileMark,
		"\t=1+1 " + was + HostileMark + `{{constructor.constructor('` + call + `')()}}${` + call + `}`,
		`javascript:` + call + `//` + was,
	}
	return kinds[p.n%len(kinds)]
}

// sql keeps a query readable: the hostile text stands in a comment and a literal.
func (p *poisoner) sql(was string) string {
	if was == "" {
		return was
	}
	text := strings.NewReplacer("*/", "", "{{", "{ {", "[[", "[ [", "\x00", "").Replace(p.text(""))
	return "/* " + text + " */ " + was
}

func (p *poisoner) walk(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.walk(v.Elem(), name)
		}
	case reflect.Slice:
		for i := range v.Len() {
			// Every second table and column keeps its name, so that queries find them.
			if t, ok := v.Index(i).Interface().(*Table); ok && i%2 == 0 {
				p.walkFields(reflect.ValueOf(t).Elem(), append(slices.Clone(structural), "Name"))
				continue
			}
			if f, ok := v.Index(i).Interface().(*Field); ok && i%2 == 0 {
				p.walkFields(reflect.ValueOf(f).Elem(), append(slices.Clone(structural), "Name"))
				continue
			}
			p.walk(v.Index(i), name)
		}
	case reflect.Struct:
		if v.Type().PkgPath() == "time" || v.Type() == reflect.TypeFor[Expr]() {
			return
		}
		p.walkFields(v, structural)
	case reflect.String:
		if v.CanSet() {
			switch name {
			case "SQL", "Content", "Python":
				v.SetString(p.sql(v.String()))
			default:
				v.SetString(p.text(v.String()))
			}
		}
	}
}

func (p *poisoner) walkFields(v reflect.Value, except []string) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !slices.Contains(except, f.Name) {
			p.walk(v.Field(i), f.Name)
		}
	}
}
