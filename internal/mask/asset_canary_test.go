package mask_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/mask"
)

// planter fills every field of an asset with a text that can be found again.
type planter struct {
	planted []plant
}

type plant struct{ field, text, word string }

// plantAll puts an e-mail address, a card number and a word of its own into
// every string of a value, and something into everything else.
func (p *planter) plantAll(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.String:
		n := len(p.planted) + 1
		word := fmt.Sprintf("zqx%03dcanary", n)
		text := fmt.Sprintf("%s jane.doe%03d@leak.example 4111 1111 1111 1111", word, n)
		p.planted = append(p.planted, plant{path, fmt.Sprintf("jane.doe%03d@leak.example", n), word})
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Float64:
		v.SetFloat(7)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		p.plantAll(v.Elem(), path)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[json.RawMessage]() {
			var s string
			p.plantAll(reflect.ValueOf(&s).Elem(), path)
			raw, _ := json.Marshal(map[string]any{"filter": []any{"=", []any{"field", s, nil}, s}, s: s, "name": s})
			v.SetBytes(raw)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		p.plantAll(v.Index(0), path+"[]")
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				p.plantAll(v.Field(i), path+"."+f.Name)
			}
		}
	}
}

// TestNoFieldOfAnAssetLeaks plants personal data in every field of every kind of
// asset. None of it is in the text for a model; in strict mode not even the
// words beside it are. The count of fields is printed.
func TestNoFieldOfAnAssetLeaks(t *testing.T) {
	fields := 0
	for _, strict := range []bool{false, true} {
		for _, kind := range catalog.Kinds() {
			a := catalog.NewAsset(kind)
			if a == nil {
				continue
			}
			for _, language := range []catalog.QueryLanguage{catalog.LanguageSQL, catalog.LanguageMBQL, catalog.LanguageOther} {
				p := &planter{}
				a = catalog.NewAsset(kind)
				p.plantAll(reflect.ValueOf(a).Elem(), string(kind))
				switch a := a.(type) {
				case *catalog.Question:
					a.Type, a.Query.Language = kind, language
				case *catalog.Transform:
					a.Query.Language = language
				}
				if language == catalog.LanguageSQL {
					fields += len(p.planted)
				}
				snapshot := &catalog.Snapshot{}
				snapshot.Add(a)
				c := mask.NewConversation(mask.Options{Strict: strict, Library: mask.Library{Index: catalog.NewIndex(snapshot)}})
				text := c.Asset(a).String()
				if text == "" {
					t.Errorf("%s: nothing is written", kind)
				}
				for _, x := range p.planted {
					if strings.Contains(text, x.text) {
						t.Errorf("strict=%v: %s leaks %s:\n%s", strict, x.field, x.text, text)
					}
					if strict && strings.Contains(text, x.word) {
						t.Errorf("strict: %s leaks %s:\n%s", x.field, x.word, text)
					}
				}
				if strings.Contains(text, "4111 1111") {
					t.Errorf("strict=%v: %s leaks a card number:\n%s", strict, kind, text)
				}
			}
		}
	}
	t.Logf("%d string fields of %d kinds, each with and without strict mode", fields/2, len(catalog.Kinds())-1)
}
