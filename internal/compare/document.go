package compare

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/jsonstream"
)

// ErrNotReport says that a file is no report of metalens scan.
var ErrNotReport = errors.New("not a report of metalens scan")

// reportEntry is what is known of an asset beside its other members.
type reportEntry struct {
	Kind       catalog.Kind `json:"kind"`
	ID         string       `json:"id"`
	EntityID   string       `json:"entity_id"`
	Name       string       `json:"name"`
	URL        string       `json:"url"`
	Collection string       `json:"collection_path"`
	DatabaseID string       `json:"database_id"`
	Schema     string       `json:"schema"`
	TableID    string       `json:"table_id"`
	Type       string       `json:"database_type"`
	BaseType   string       `json:"base_type"`
	Unread     bool         `json:"detail_unread"`
}

// notFields are members of a report's assets that are no part of a definition,
// or that are compared in another way.
var notFields = []string{
	"kind", "id", "entity_id", "url", "usage", "collection_path", "last_editor_id", "last_edited_at", "created_at", "metabase_id", "column_count", "creator", "table",
}

// numbers are members whose meaning ends at one Metabase.
var numbers = []string{
	"collection_id", "database_id", "creator_id", "table_id", "source_question_id", "dashboard_id", "document_id", "question_id", "parent_id", "fk_target_id",
}

// Report reads a report of metalens scan --format json (or ndjson).
func Report(r io.Reader) (*Raw, error) {
	out := &Raw{}
	d := json.NewDecoder(bufio.NewReaderSize(r, 64<<10))
	token, err := d.Token()
	if err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("%w: it does not begin with an object", ErrNotReport)
	}
	version, ndjson, seen := 0, false, false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
		}
		switch key {
		case "schema_version":
			err = d.Decode(&version)
		case "record":
			ndjson = true
			err = jsonstream.Skip(d)
		case "connection":
			err = d.Decode(&out.connection)
		case "finished_at":
			err = d.Decode(&out.at)
		case "assets":
			seen = true
			err = each(d, out.asset)
		case "findings":
			out.judged = true
			err = each(d, out.finding)
		default:
			err = jsonstream.Skip(d)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: it is cut off: %w", ErrNotReport, err)
	}
	if version != 1 || !seen && !ndjson {
		return nil, fmt.Errorf("%w: it lacks schema_version 1 or assets", ErrNotReport)
	}
	if ndjson {
		if err := out.lines(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Raw is a report as it was read, before it is known what it is compared with.
type Raw struct {
	connection struct {
		URL     string `json:"url"`
		Partial bool   `json:"partial"`
		Gaps    []struct {
			Kind   catalog.Kind `json:"kind"`
			Reason string       `json:"reason"`
		} `json:"gaps"`
	}
	at       time.Time
	assets   []json.RawMessage
	findings []Finding
	judged   bool
}

// URL is the address of the Metabase that the report is about.
func (r *Raw) URL() string { return r.connection.URL }

func (r *Raw) asset(raw json.RawMessage) error {
	r.assets = append(r.assets, raw)
	return nil
}

func (r *Raw) finding(raw json.RawMessage) error {
	var f Finding
	if err := json.Unmarshal(raw, &f); err != nil {
		return err
	}
	r.findings = append(r.findings, f)
	return nil
}

// lines reads the records behind the first one of NDJSON.
func (r *Raw) lines(d *json.Decoder) error {
	r.judged = true
	for {
		var raw json.RawMessage
		err := d.Decode(&raw)
		if errors.Is(err, io.EOF) {
			return nil
		}
		var record struct {
			Record string `json:"record"`
		}
		if err == nil {
			err = json.Unmarshal(raw, &record)
		}
		if err == nil {
			switch record.Record {
			case "asset":
				err = r.asset(raw)
			case "finding":
				err = r.finding(raw)
			}
		}
		if err != nil {
			return fmt.Errorf("%w: a line is cut off or no JSON: %w", ErrNotReport, err)
		}
	}
}

// Side makes the report comparable.
func (r *Raw) Side(by Matching) (*Side, error) {
	s := &Side{
		Source: FromReport, URL: r.connection.URL, At: r.at, Partial: r.connection.Partial, Findings: slices.Clone(r.findings), Judged: r.judged,
		Unread: map[string]bool{},
	}
	names := map[string]string{} // database id → name
	entities := map[catalog.Ref]string{}
	entries := make([]reportEntry, len(r.assets))
	for i, raw := range r.assets {
		if err := json.Unmarshal(raw, &entries[i]); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
		}
		e := &entries[i]
		entities[catalog.Ref{Kind: e.Kind, ID: e.ID}] = e.EntityID
		if e.Kind == catalog.KindDatabase {
			names[e.ID] = e.Name
		}
		s.Columns = s.Columns || e.Kind == catalog.KindColumn
	}
	counts := map[string]int{}
	tables := map[string]int{}
	for i, raw := range r.assets {
		e := &entries[i]
		counts[kindKey(e.Kind)]++
		if e.Kind == catalog.KindColumn {
			continue
		}
		fields, err := members(raw, by)
		if err != nil {
			return nil, err
		}
		switch e.Kind {
		case catalog.KindTable:
			tables[e.ID] = len(s.Tables)
			s.Tables = append(s.Tables, Table{ID: natural(e.ID, names, by), Name: e.Name, Schema: e.Schema, Fields: fields, Unread: e.Unread})
		case catalog.KindPerson, catalog.KindGroup:
			if by == ByID {
				s.Assets = append(s.Assets, entry(e, fields))
			}
		default:
			s.Assets = append(s.Assets, entry(e, fields))
		}
	}
	if err := s.addColumns(entries, r.assets, tables, by); err != nil {
		return nil, err
	}
	for _, g := range r.connection.Gaps {
		if key := kindKey(g.Kind); g.Kind != "" && counts[key] == 0 {
			s.Unread[key] = true
		}
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		f.Asset.entity = entities[catalog.Ref{Kind: f.Asset.Kind, ID: f.Asset.ID}]
	}
	return s, nil
}

// addColumns puts columns, which reports list before tables, into their tables.
func (s *Side) addColumns(entries []reportEntry, raws []json.RawMessage, tables map[string]int, by Matching) error {
	for i := range entries {
		e := &entries[i]
		k, ok := tables[e.TableID]
		if e.Kind != catalog.KindColumn || !ok {
			continue
		}
		fields, err := members(raws[i], by)
		if err != nil {
			return err
		}
		s.Tables[k].Columns = append(s.Tables[k].Columns, column(e, fields))
	}
	for i := range s.Tables {
		slices.SortFunc(s.Tables[i].Columns, func(a, b Column) int { return strings.Compare(a.Name, b.Name) })
	}
	return nil
}

func column(e *reportEntry, fields map[string]string) Column {
	c := Column{Name: e.Name, Type: e.Type, Fields: fields}
	if c.Type == "" {
		c.Type = e.BaseType
	}
	for _, name := range []string{"name", "schema", "table_id", "database_id"} {
		delete(c.Fields, name)
	}
	return c
}

func entry(e *reportEntry, fields map[string]string) Asset {
	return Asset{Ref: catalog.Ref{Kind: e.Kind, ID: e.ID}, EntityID: e.EntityID, Name: e.Name, URL: e.URL, Collection: e.Collection, Fields: fields}
}

// natural puts the name of a database into a table's id, where instances differ.
func natural(id string, names map[string]string, by Matching) string {
	database, schema, table, _, ok := catalog.SplitID(id)
	if by == ByID || !ok || names[database] == "" {
		return id
	}
	return catalog.TableID(names[database], schema, table)
}

func members(raw json.RawMessage, by Matching) (map[string]string, error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(raw, &parts); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotReport, err)
	}
	out := make(map[string]string, len(parts))
	for name, value := range parts {
		if name == "record" || slices.Contains(notFields, name) || by == ByEntity && slices.Contains(numbers, name) {
			continue
		}
		out[name] = compact(value)
	}
	if path := compact(parts["collection_path"]); path != "" && path != `""` {
		out["collection"] = path
	}
	return out, nil
}

// compact drops white space, and values that say nothing.
func compact(raw json.RawMessage) string {
	var v any
	if len(raw) == 0 || json.Unmarshal(raw, &v) != nil {
		return string(raw)
	}
	switch v {
	case nil, false, "":
		return ""
	}
	out, err := json.Marshal(v)
	if err != nil {
		return string(raw)
	}
	return string(out)
}

func each(d *json.Decoder, take func(json.RawMessage) error) error {
	token, err := d.Token()
	if err != nil {
		return err
	}
	if token != json.Delim('[') {
		return errors.New("not an array")
	}
	for d.More() {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if err := take(raw); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}
