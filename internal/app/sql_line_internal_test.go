package app

import (
	"encoding/json"
	"reflect"
	"testing"
)

// usualLines are decoded in one pass, the others are not; nobody may see the
// difference.
var usualLines = []string{
	`{"id":"1","dialect":"postgres","sql":"SELECT \"a\",\n\t'\u00e9\u4e2d' \/ 2 -- é\\"}`,
	` { "sql" : "" , "id" : 12 , "schema" : {"tables":[{"name":"a}\"","columns":["x"]}]} , "default_catalog":"c","default_schema":"s" } `,
	`{}`, `{"id":0}`, `{"sql":"a","sql":"b"}`,
}

var unusualLines = []string{
	``, `[]`, `{`, `{"sql":"a"`, `{"sql":"a"}x`, `{"sql":"a",}`, `{"sql":null}`, `{"sql":1}`, `{"SQL":"a"}`, `{"x":1,"sql":"a"}`, `{"id":01,"sql":"a"}`,
	`{"id":-1.5e3,"sql":"a"}`, `{"id":{"a":1},"sql":"a"}`, "{\"sql\":\"a\nb\"}", `{"sql":"\ud83d\ude00"}`, `{"sql":"\x"}`, "{\"sql\":\"\xff\"}", `{"schema":{]},"sql":"a"}`,
	`{"schema":null,"sql":"a"}`, `{"schema":[1],"sql":"a"}`, `{"sql":"\u12"}`, `{"dialect":"x" "sql":"a"}`, `{"id":,"sql":"a"}`,
}

func TestLineReader(t *testing.T) {
	r := &lineReader{}
	for _, line := range usualLines {
		if !r.read([]byte(line), &inspectLine{}) {
			t.Errorf("not read in one pass: %s", line)
		}
		compareLine(t, r, []byte(line))
	}
	for _, line := range unusualLines {
		if r.read([]byte(line), &inspectLine{}) {
			t.Errorf("read in one pass: %s", line)
		}
	}
}

// TestLineReaderOnBrokenLines changes every byte of every line.
func TestLineReaderOnBrokenLines(t *testing.T) {
	r := &lineReader{}
	for _, line := range append(append([]string(nil), usualLines...), unusualLines...) {
		for i := range line {
			compareLine(t, r, []byte(line[:i]))
			compareLine(t, r, []byte(line[:i]+line[i+1:]))
			for _, c := range "\"\\{}[]:,0u \n\x01\xff" {
				compareLine(t, r, append(append([]byte(line[:i]), byte(c)), line[i+1:]...))
				compareLine(t, r, append(append([]byte(line[:i]), byte(c)), line[i:]...))
			}
		}
	}
}

func compareLine(t *testing.T, r *lineReader, line []byte) {
	t.Helper()
	var got, want inspectLine
	if !r.read(line, &got) {
		return
	}
	if err := json.Unmarshal(line, &want); err != nil {
		t.Fatalf("read although encoding/json says %v: %q", err, line)
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q: got %+v, want %+v", line, got, want)
	}
}
