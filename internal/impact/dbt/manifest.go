// Package dbt compares two manifests of a dbt project: which relations and
// columns are gone, renamed or of another type. It reads manifests of schema
// v1 to v12, of which it needs only what has kept its place since: unique ids,
// relation names, columns, code.
package dbt

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/metalens/metalens/internal/jsonstream"
)

// Manifest is what a comparison needs of a manifest.json.
type Manifest struct {
	Version int    // of its schema; 0 when not said
	Adapter string // postgres, bigquery, …
	Nodes   map[string]*Node
}

// Node is a model, seed, snapshot or source.
type Node struct {
	ID           string
	Type         string // model, seed, snapshot, source
	Name         string
	Database     string
	Schema       string
	Relation     string // name of the table or view
	Materialized string // table, view, incremental, ephemeral, …
	File         string
	Code         string // compiled where the manifest has it, else as written
	Compiled     bool
	Checksum     string
	Enforced     bool // the contract says that Columns is complete
	Columns      []Column
}

// Column is a documented column.
type Column struct {
	Name string
	Type string
}

// rawNode has every spelling of the versions.
type rawNode struct {
	ResourceType string               `json:"resource_type"`
	Name         string               `json:"name"`
	Alias        string               `json:"alias"`
	Identifier   string               `json:"identifier"`
	Database     *string              `json:"database"`
	Schema       string               `json:"schema"`
	File         string               `json:"original_file_path"`
	RawSQL       string               `json:"raw_sql"`  // to v6
	RawCode      string               `json:"raw_code"` // from v7
	CompiledSQL  *string              `json:"compiled_sql"`
	CompiledCode *string              `json:"compiled_code"`
	Columns      map[string]rawColumn `json:"columns"`
	Config       struct {
		Materialized string `json:"materialized"`
		Enabled      *bool  `json:"enabled"`
		Contract     struct {
			Enforced bool `json:"enforced"`
		} `json:"contract"`
	} `json:"config"`
	Checksum struct {
		Checksum string `json:"checksum"`
	} `json:"checksum"`
}

type rawColumn struct {
	Name     string `json:"name"`
	DataType string `json:"data_type"`
}

// ErrNotManifest says that a file is JSON, or not even that, but no manifest.
var ErrNotManifest = errors.New("not a dbt manifest")

// maxManifest bounds what is read of a file.
const maxManifest = 1 << 30

// Read reads a manifest.json node by node, so that memory grows with what is
// kept only.
func Read(r io.Reader) (*Manifest, error) {
	d := json.NewDecoder(io.LimitReader(r, maxManifest))
	m := &Manifest{Nodes: map[string]*Node{}}
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return nil, fmt.Errorf("%w: it does not begin with an object", ErrNotManifest)
	}
	seen := false
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNotManifest, err)
		}
		switch key {
		case "metadata":
			err = m.metadata(d)
		case "nodes", "sources":
			seen = true
			err = m.nodes(d, key == "sources")
		default:
			err = jsonstream.Skip(d)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %v: %w", ErrNotManifest, key, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%w: it is cut off: %w", ErrNotManifest, err)
	}
	if !seen {
		return nil, fmt.Errorf("%w: it has no nodes", ErrNotManifest)
	}
	return m, nil
}

func (m *Manifest) metadata(d *json.Decoder) error {
	var meta struct {
		Schema  string `json:"dbt_schema_version"`
		Adapter string `json:"adapter_type"`
	}
	if err := d.Decode(&meta); err != nil {
		return err
	}
	m.Adapter = meta.Adapter
	name := strings.TrimSuffix(meta.Schema[strings.LastIndexByte(meta.Schema, '/')+1:], ".json")
	_, _ = fmt.Sscanf(name, "v%d", &m.Version)
	return nil
}

func (m *Manifest) nodes(d *json.Decoder, sources bool) error {
	if token, err := d.Token(); err != nil || token != json.Delim('{') {
		return errors.New("not an object")
	}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return err
		}
		id, _ := token.(string)
		var raw rawNode
		if err := d.Decode(&raw); err != nil {
			return err
		}
		if n := raw.node(id, sources); n != nil {
			m.Nodes[id] = n
		}
	}
	_, err := d.Token()
	return err
}

func (raw *rawNode) node(id string, source bool) *Node {
	kind := raw.ResourceType
	if source {
		kind = "source"
	}
	switch kind {
	case "model", "seed", "snapshot", "source":
	default:
		return nil // tests, analyses, operations have no relation
	}
	n := &Node{
		ID: id, Type: kind, Name: raw.Name, Schema: raw.Schema, Materialized: raw.Config.Materialized, File: raw.File,
		Checksum: raw.Checksum.Checksum, Enforced: raw.Config.Contract.Enforced,
	}
	if raw.Config.Enabled != nil && !*raw.Config.Enabled {
		return nil
	}
	if raw.Database != nil {
		n.Database = *raw.Database
	}
	n.Relation = raw.Name
	if raw.Alias != "" {
		n.Relation = raw.Alias
	}
	if source && raw.Identifier != "" {
		n.Relation = raw.Identifier
	}
	n.Code = raw.RawCode
	if n.Code == "" {
		n.Code = raw.RawSQL
	}
	for _, compiled := range []*string{raw.CompiledCode, raw.CompiledSQL} {
		if compiled != nil && *compiled != "" {
			n.Code, n.Compiled = *compiled, true
			break
		}
	}
	for key, c := range raw.Columns {
		if c.Name == "" {
			c.Name = key
		}
		n.Columns = append(n.Columns, Column{Name: c.Name, Type: c.DataType})
	}
	sortColumns(n.Columns)
	return n
}
