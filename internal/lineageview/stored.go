package lineageview

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/lineage"
	"github.com/metalens/metalens/internal/store"
)

// form names how Save writes: the parts, the heads and the packed graph. Views
// of another form are built anew from the snapshot.
const form = lineage.PackVersion*100 + 1

// Parts of both kinds are so many that an edit touches little and so few that
// each compresses well.
const (
	parts     = 16
	partHeads = "heads"
	partGraph = "graph"
)

// Save stores the view of a scan in the transaction that commits its snapshot.
func Save(ctx context.Context, tx *store.Tx, scan store.ScanID, index *catalog.Index, graph *lineage.Graph) error {
	var failed error
	err := tx.CommitLineage(ctx, scan, form, func(yield func(store.LineagePart) bool) {
		for n, content := range graph.Pack(parts) {
			if !yield(store.LineagePart{Kind: partGraph, Number: n, Content: content}) {
				return
			}
		}
		for part, err := range packHeads(index.Snapshot()) {
			if failed = err; err != nil || !yield(part) {
				return
			}
		}
	})
	return errors.Join(err, failed)
}

// packHeads writes heads as lines "kind JSON", sorted within each part.
func packHeads(s *catalog.Snapshot) iter.Seq2[store.LineagePart, error] {
	byPart := make([][]catalog.Asset, parts)
	for a := range s.All() {
		n := lineage.PartOf(a.Ref(), parts)
		byPart[n] = append(byPart[n], a)
	}
	return func(yield func(store.LineagePart, error) bool) {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		for n, list := range byPart {
			b.Reset()
			slices.SortStableFunc(list, func(x, y catalog.Asset) int { return x.Ref().Compare(y.Ref()) })
			for _, a := range list {
				b.WriteString(string(a.Ref().Kind))
				b.WriteByte(' ')
				var value any = Head(a)
				if t, ok := value.(*catalog.Table); ok {
					value = shorten(t)
				}
				if err := e.Encode(value); err != nil { // ends the line
					yield(store.LineagePart{}, fmt.Errorf("write the head of %s: %w", a.Ref(), err))
					return
				}
			}
			if !yield(store.LineagePart{Kind: partHeads, Number: n, Content: b.Bytes()}, nil) {
				return
			}
		}
	}
}

// shortTable is a table whose columns are written with short names, and with an
// id only where it does not follow from the name.
type shortTable struct {
	*catalog.Table
	Columns []shortColumn `json:"columns,omitempty"` // hides the table's
}

type shortColumn struct {
	ID          string `json:"i,omitempty"`
	MetabaseID  int64  `json:"m,omitempty"`
	Name        string `json:"n"`
	BaseType    string `json:"b,omitempty"`
	Semantic    string `json:"s,omitempty"`
	FKTargetID  string `json:"f,omitempty"`
	ParentID    string `json:"p,omitempty"`
	Inactive    bool   `json:"x,omitempty"`
	Visibility  string `json:"v,omitempty"`
	PrimaryKey  bool   `json:"k,omitempty"`
	Sensitivity string `json:"c,omitempty"`
}

func shorten(t *catalog.Table) shortTable {
	s := shortTable{Table: t, Columns: make([]shortColumn, len(t.Columns))}
	for i, c := range t.Columns {
		s.Columns[i] = shortColumn{
			ID: c.ID, MetabaseID: c.MetabaseID, Name: c.Name, BaseType: c.BaseType, Semantic: c.SemanticType, FKTargetID: c.FKTargetID,
			ParentID: c.ParentID, Inactive: c.Inactive, Visibility: c.Visibility, PrimaryKey: c.PrimaryKey, Sensitivity: c.Sensitivity,
		}
		if c.ID == catalog.ColumnID(t.ID, c.Name) {
			s.Columns[i].ID = ""
		}
	}
	return s
}

func (s *shortTable) whole() *catalog.Table {
	t := s.Table
	columns := make([]catalog.Column, len(s.Columns)) // one piece of memory for all
	t.Columns = make([]*catalog.Column, len(s.Columns))
	for i, c := range s.Columns {
		columns[i] = catalog.Column{
			ID: c.ID, MetabaseID: c.MetabaseID, Name: c.Name, BaseType: c.BaseType, SemanticType: c.Semantic, FKTargetID: c.FKTargetID,
			ParentID: c.ParentID, Inactive: c.Inactive, Visibility: c.Visibility, PrimaryKey: c.PrimaryKey, Sensitivity: c.Sensitivity,
		}
		if c.ID == "" {
			columns[i].ID = catalog.ColumnID(t.ID, c.Name)
		}
		t.Columns[i] = &columns[i]
	}
	return t
}

// errForm is the answer for a view that another version wrote.
var errForm = errors.New("lineageview: the stored view has another form")

// read loads a stored view; errForm when there is none that can be read.
func read(ctx context.Context, tx *store.Tx, scan store.Scan) (*View, error) {
	var (
		mu     sync.Mutex // guards what follows
		graphs [][]byte
		assets []catalog.Asset
	)
	have, err := tx.LoadLineage(ctx, scan.ID, form, func(kind string, content []byte) error {
		if kind == partGraph {
			mu.Lock()
			defer mu.Unlock()
			graphs = append(graphs, content)
			return nil
		}
		list, err := unpackHeads(content)
		mu.Lock()
		defer mu.Unlock()
		assets = append(assets, list...)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !have {
		return nil, errForm
	}
	snapshot, err := tx.LoadSnapshotHead(ctx, scan.ID)
	if err != nil {
		return nil, err
	}
	graph, err := lineage.Unpack(graphs)
	if err != nil {
		return nil, err
	}
	for _, a := range assets {
		snapshot.Add(a)
	}
	snapshot.Sort()
	return &View{Scan: scan, Index: catalog.NewIndex(snapshot), Graph: graph}, nil
}

// readGraph is read without the heads.
func readGraph(ctx context.Context, tx *store.Tx, scan store.ScanID) (*lineage.Graph, error) {
	var mu sync.Mutex
	var graphs [][]byte
	have, err := tx.LoadLineage(ctx, scan, form, func(kind string, content []byte) error {
		mu.Lock()
		defer mu.Unlock()
		if kind == partGraph {
			graphs = append(graphs, content)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case !have:
		return nil, errForm
	}
	return lineage.Unpack(graphs)
}

func unpackHeads(content []byte) ([]catalog.Asset, error) {
	list := make([]catalog.Asset, 0, bytes.Count(content, []byte("\n")))
	for line := range bytes.Lines(content) {
		kind, text, ok := bytes.Cut(line, []byte(" "))
		if !ok {
			return nil, fmt.Errorf("read stored heads: %w", lineage.ErrPack)
		}
		a, err := decodeHead(catalog.Kind(kind), text)
		if err != nil {
			return nil, fmt.Errorf("read a stored head: %w", err)
		}
		list = append(list, a)
	}
	return list, nil
}

func decodeHead(kind catalog.Kind, text []byte) (catalog.Asset, error) {
	if kind == catalog.KindTable {
		s := shortTable{Table: &catalog.Table{}}
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, err
		}
		return s.whole(), nil
	}
	a := catalog.NewAsset(kind)
	if a == nil {
		return nil, fmt.Errorf("a head of kind %q", strings.ToValidUTF8(string(kind), "?"))
	}
	return a, json.Unmarshal(text, a)
}
