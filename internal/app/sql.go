package app

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/sqllens"
)

// SQLOptions are the flags of the sql commands.
type SQLOptions struct {
	Dialect string // of the text, or of lines that name none
	Schema  string // file with the tables, for lines that bring none
	JSONL   bool   // one request per line instead of one text
	File    string // "" and "-" are standard input

	limit int64 // bytes of a text that is no line; 0 is sqllens.MaxSize
}

// maxLine bounds an input line: a request may bring a schema beside its SQL.
const maxLine = 64 << 20

// sqlFailure answers a line that could not be worked on.
type sqlFailure struct {
	ID     json.RawMessage   `json:"id,omitempty"`
	Errors []sqllens.Problem `json:"errors"`
}

func failure(id json.RawMessage, code, message string) sqlFailure {
	return sqlFailure{ID: id, Errors: []sqllens.Problem{{Code: code, Message: message}}}
}

// SQLInspect answers what SQL uses and yields.
func SQLInspect(ctx context.Context, env Env, o SQLOptions) error {
	schema, err := readSchema(o.Schema)
	if err != nil {
		return err
	}
	return runSQL(ctx, env, o, func() answerer { return &inspector{schema: schema} })
}

// SQLCanonical answers with normal forms and fingerprints.
func SQLCanonical(ctx context.Context, env Env, o SQLOptions) error {
	return runSQL(ctx, env, o, func() answerer { return canonicalizer{} })
}

// schemaFile is what --schema names.
type schemaFile struct {
	sqllens.InspectSchema
	DefaultCatalog string `json:"default_catalog"`
	DefaultSchema  string `json:"default_schema"`
}

func readSchema(path string) (*schemaFile, error) {
	if path == "" {
		return nil, nil
	}
	data, err := os.ReadFile(path) // #nosec G304 -- the file that the person at the terminal names
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "schema_file", "The schema file cannot be read.", "Check the path behind --schema.")
	}
	var schema schemaFile
	if err := json.Unmarshal(data, &schema); err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "schema_file", "The schema file is not the expected JSON: "+jsonTrouble(err)+".",
			`It reads {"tables":[{"schema":"public","name":"orders","columns":["id","total"]}]}.`)
	}
	return &schema, nil
}

// answerer works on requests. Each worker has its own.
type answerer interface {
	// one answers a request that came without a line around it.
	one(sql, dialect string) any
	// line answers one line of JSON.
	line(data []byte, dialect string) any
}

// inspector answers sql inspect. It keeps the schema of the line before, since
// lines of one database bring the same.
type inspector struct {
	schema *schemaFile

	key    schemaKey
	raw    []byte
	index  *sqllens.Inspector
	reader lineReader
}

type schemaKey struct {
	dialect                 sqllens.Dialect
	catalog, schema, source string
}

type inspectLine struct {
	ID             json.RawMessage `json:"id"`
	Dialect        *string         `json:"dialect"`
	SQL            *string         `json:"sql"`
	Schema         json.RawMessage `json:"schema"`
	DefaultCatalog string          `json:"default_catalog"`
	DefaultSchema  string          `json:"default_schema"`
}

func (x *inspector) one(sql, dialect string) any {
	return x.answer(inspectLine{SQL: &sql}, dialect)
}

func (x *inspector) line(data []byte, dialect string) any {
	var in inspectLine
	if !x.reader.read(data, &in) {
		in = inspectLine{}
		if err := json.Unmarshal(data, &in); err != nil {
			return failure(idOf(data), "bad_json", "the line is not a request: "+jsonTrouble(err))
		}
	}
	return x.answer(in, dialect)
}

func (x *inspector) answer(in inspectLine, dialect string) any {
	if fail := checked(in.ID, in.SQL); fail != nil {
		return *fail
	}
	if in.Dialect != nil {
		dialect = *in.Dialect
	}
	d, ok := sqllens.ParseDialect(dialect)
	if !ok {
		return failure(in.ID, "unknown_dialect", "unknown dialect "+dialect)
	}
	key := schemaKey{dialect: d, catalog: in.DefaultCatalog, schema: in.DefaultSchema, source: "line"}
	raw := []byte(in.Schema)
	if string(raw) == "null" {
		raw = nil
	}
	if raw == nil && x.schema != nil {
		key.source = "file"
		if key.catalog == "" {
			key.catalog = x.schema.DefaultCatalog
		}
		if key.schema == "" {
			key.schema = x.schema.DefaultSchema
		}
	}
	if x.index == nil || key != x.key || !bytes.Equal(raw, x.raw) {
		var tables *sqllens.InspectSchema
		switch {
		case key.source == "file":
			tables = &x.schema.InspectSchema
		case raw != nil:
			tables = &sqllens.InspectSchema{}
			if err := json.Unmarshal(raw, tables); err != nil {
				return failure(in.ID, "bad_schema", "the schema is not one: "+jsonTrouble(err))
			}
		}
		x.key, x.raw = key, bytes.Clone(raw)
		x.index = sqllens.NewInspector(d, tables, key.catalog, key.schema)
	}
	out := x.index.Inspect(sqllens.InspectRequest{Dialect: dialect, SQL: *in.SQL})
	out.ID = in.ID
	return out
}

// checked refuses requests without SQL or with too much of it.
func checked(id json.RawMessage, sql *string) *sqlFailure {
	var fail sqlFailure
	switch {
	case sql == nil:
		fail = failure(id, "missing_sql", "the request has no sql")
	case len(*sql) > sqllens.MaxSize:
		fail = failure(id, "too_large", "the SQL is longer than 1 MB")
	default:
		return nil
	}
	return &fail
}

// jsonTrouble says what is wrong with JSON that a person wrote, without the names
// of our types.
func jsonTrouble(err error) string {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err.Error()
	}
	want := "an object"
	switch wrong.Type.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Slice, reflect.Array:
		want = "a list"
	case reflect.Bool:
		want = "true or false"
	case reflect.Int, reflect.Int64, reflect.Float64:
		want = "a number"
	default:
	}
	what := wrong.Field
	if what == "" {
		what = "it"
	}
	return what + " must be " + want + ", not of type " + wrong.Value
}

// idOf finds the id of a line whose other fields have the wrong type.
func idOf(data []byte) json.RawMessage {
	var in struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(data, &in) != nil {
		return nil
	}
	return in.ID
}

// canonicalizer answers sql canonical.
type canonicalizer struct{}

type canonicalAnswer struct {
	ID           json.RawMessage      `json:"id,omitempty"`
	DialectUsed  sqllens.Dialect      `json:"dialect_used"`
	Canonical    string               `json:"canonical"`
	Fingerprints sqllens.Fingerprints `json:"fingerprints"`
	Errors       []sqllens.Problem    `json:"errors"`
}

func (c canonicalizer) one(sql, dialect string) any {
	return c.answer(nil, &sql, dialect)
}

func (c canonicalizer) line(data []byte, dialect string) any {
	var in struct {
		ID      json.RawMessage `json:"id"`
		Dialect *string         `json:"dialect"`
		SQL     *string         `json:"sql"`
	}
	if err := json.Unmarshal(data, &in); err != nil {
		return failure(idOf(data), "bad_json", "the line is not a request: "+jsonTrouble(err))
	}
	if in.Dialect != nil {
		dialect = *in.Dialect
	}
	return c.answer(in.ID, in.SQL, dialect)
}

func (canonicalizer) answer(id json.RawMessage, sql *string, dialect string) any {
	if fail := checked(id, sql); fail != nil {
		return *fail
	}
	d, ok := sqllens.ParseDialect(dialect)
	if !ok {
		return failure(id, "unknown_dialect", "unknown dialect "+dialect)
	}
	c := sqllens.Canonicalize(*sql, d)
	out := canonicalAnswer{ID: id, DialectUsed: d, Canonical: c.Text, Fingerprints: c.Fingerprints, Errors: c.Problems}
	if out.Errors == nil {
		out.Errors = []sqllens.Problem{}
	}
	return out
}

func runSQL(ctx context.Context, env Env, o SQLOptions, worker func() answerer) error {
	if _, ok := sqllens.ParseDialect(o.Dialect); !ok {
		return errs.New(errs.Invalid, "unknown_dialect", "The dialect "+o.Dialect+" is not known.", "metalens sql inspect --help lists the dialects.")
	}
	in := env.Stdin
	if o.File != "" && o.File != "-" {
		f, err := os.Open(o.File)
		if err != nil {
			return errs.Wrap(err, errs.Invalid, "input_file", "The input file cannot be read.", "Check the path; - is standard input.")
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	if o.JSONL {
		defer debug.SetGCPercent(debug.SetGCPercent(1000)) // answers are short-lived: collect less often
		return answerLines(ctx, in, env.Stdout, o.Dialect, worker)
	}
	limit := max(o.limit, sqllens.MaxSize)
	text, err := io.ReadAll(io.LimitReader(in, limit+1))
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "input_file", "The input cannot be read.", "")
	}
	enc := json.NewEncoder(env.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(worker().one(string(text), o.Dialect))
}

// batchLines and batchBytes bound the work handed to a worker at once.
const (
	batchLines = 64
	batchBytes = 1 << 20
)

// batch is a run of input lines and, later, its answers.
type batch struct {
	lines [][]byte
	long  []bool // the line was longer than maxLine and is not there
	out   chan []byte
}

// answerLines answers every line in order, on all cores. A batch is handed on as
// soon as no more input waits, so that a caller who sends one line and waits for
// its answer gets it.
func answerLines(ctx context.Context, in io.Reader, out io.Writer, dialect string, worker func() answerer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers := max(runtime.GOMAXPROCS(0), 1)
	todo := make(chan *batch)
	ordered := make(chan *batch, 4*workers)
	for range workers {
		go func() {
			a := worker()
			for b := range todo {
				b.out <- answers(a, b, dialect)
			}
		}()
	}
	var readErr error
	go func() {
		defer close(ordered)
		defer close(todo)
		readErr = readBatches(in, func(b *batch) bool {
			select {
			case ordered <- b:
			case <-ctx.Done():
				return false
			}
			select {
			case todo <- b:
				return true
			case <-ctx.Done():
				b.out <- nil
				return false
			}
		})
	}()
	for b := range ordered {
		if _, err := out.Write(<-b.out); err != nil {
			cancel()
			for left := range ordered { // let the reader end
				<-left.out
			}
			return errs.Wrap(err, errs.Internal, "output", "The answers cannot be written.", "")
		}
	}
	if readErr != nil {
		return errs.Wrap(readErr, errs.Invalid, "input_file", "The input cannot be read to its end.", "")
	}
	return ctx.Err()
}

func readBatches(in io.Reader, hand func(*batch) bool) error {
	r := bufio.NewReaderSize(in, 1<<16)
	for first := true; ; {
		b := &batch{out: make(chan []byte, 1)}
		size := 0
		var err error
		for len(b.lines) < batchLines && size < batchBytes {
			var line []byte
			var long bool
			line, long, err = readLine(r)
			if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !long) {
				break
			}
			if first {
				line, first = bytes.TrimPrefix(line, []byte("\ufeff")), false // what some editors and shells put first
			}
			b.lines, b.long = append(b.lines, line), append(b.long, long)
			size += len(line)
			if err != nil || r.Buffered() == 0 {
				break
			}
		}
		if len(b.lines) > 0 && !hand(b) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine reads one line without its end. A line beyond maxLine is passed and
// marked long.
func readLine(r *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if !long {
			line = append(line, part...)
		}
		if len(line) > maxLine {
			line, long = nil, true
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return bytes.TrimRight(line, "\r\n"), long, err
	}
}

func answers(a answerer, b *batch, dialect string) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for i, line := range b.lines {
		var answer any
		switch {
		case b.long[i]:
			answer = failure(nil, "too_large", "the line is longer than 64 MB")
		case len(bytes.TrimSpace(line)) == 0:
			answer = failure(nil, "bad_json", "the line is empty")
		default:
			answer = a.line(line, dialect)
		}
		if found, ok := answer.(sqllens.InspectAnswer); ok {
			out.Write(found.AppendJSON(out.AvailableBuffer()))
			out.WriteByte('\n')
			continue
		}
		before := out.Len()
		if err := enc.Encode(answer); err != nil {
			out.Truncate(before)
			out.WriteString(`{"errors":[{"code":"internal","message":"the answer cannot be written"}]}` + "\n")
		}
	}
	return out.Bytes()
}
