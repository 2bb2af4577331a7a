package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"iter"
	"slices"
)

// stream writes JSON piece by piece; the first error sticks.
type stream struct {
	w   *bufio.Writer
	buf bytes.Buffer
	enc *json.Encoder
	err error
}

func newStream(w *bufio.Writer) *stream {
	s := &stream{w: w}
	s.enc = json.NewEncoder(&s.buf)
	s.enc.SetEscapeHTML(false)
	return s
}

func (s *stream) raw(text string) {
	if s.err == nil {
		_, s.err = s.w.WriteString(text)
	}
}

// value writes one value without the line break that encoders add.
func (s *stream) value(v any) {
	if s.err != nil {
		return
	}
	s.buf.Reset()
	if s.err = s.enc.Encode(v); s.err == nil {
		_, s.err = s.w.Write(escapeJSON(bytes.TrimSuffix(s.buf.Bytes(), []byte{'\n'})))
	}
}

func (s *stream) member(name string, v any) {
	s.raw(",\n")
	s.value(name)
	s.raw(": ")
	s.value(v)
}

// array writes a named array, one element a line.
func array[T any](s *stream, separator, name string, elements iter.Seq[T]) {
	s.raw(separator)
	s.value(name)
	s.raw(": [")
	empty := true
	for e := range elements {
		if empty {
			s.raw("\n")
		} else {
			s.raw(",\n")
		}
		empty = false
		s.value(e)
		if s.err != nil {
			return
		}
	}
	if !empty {
		s.raw("\n")
	}
	s.raw("]")
}

// writeJSON writes the document of docs/schema/scan-report.v1.json.
func writeJSON(w *bufio.Writer, d *document) error {
	s := newStream(w)
	head := d.head()
	s.raw("{\n\"schema_version\": ")
	s.value(SchemaVersion)
	s.member("tool", d.in.Tool)
	s.member("connection", head.Connection)
	s.member("started_at", head.StartedAt)
	s.member("finished_at", head.FinishedAt)
	s.member("requests", head.Requests)
	array(s, ",\n", "assets", d.assetEntries())
	s.raw(",\n\"lineage\": {\n")
	array(s, "", "edges", d.edges())
	array(s, ",\n", "column_edges", d.columnEdges())
	array(s, ",\n", "unresolved", d.unresolved())
	s.raw("\n}")
	array(s, ",\n", "duplicates", d.duplicates())
	array(s, ",\n", "metric_conflicts", d.conflicts())
	array(s, ",\n", "findings", d.findingEntries())
	array(s, ",\n", "not_evaluated", slices.Values(d.notEvaluated()))
	s.member("health", d.health())
	s.member("stats", d.stats())
	s.raw("\n}\n")
	return s.err
}
