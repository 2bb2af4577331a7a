package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/metalens/metalens/internal/catalog"
)

// part is what one step read: assets, usage, access and gaps in a snapshot's
// lists, and facts that later steps need.
type part struct {
	catalog.Snapshot
	facts facts
}

// facts are what a step learned beside assets.
type facts struct {
	NoQuestionList  bool                  `json:"no_question_list,omitempty"`
	NoDashboardList bool                  `json:"no_dashboard_list,omitempty"`
	Split           bool                  `json:"split,omitempty"` // questions were read database by database
	NoCollections   bool                  `json:"no_collections,omitempty"`
	OwnReads        map[string]int64      `json:"own_reads,omitempty"` // as counted when the views were read
	TablesListed    bool                  `json:"tables_listed,omitempty"`
	QueryMillis     map[string]float64    `json:"query_millis,omitempty"` // question id → mean run time, from dashboards
	Stats           *catalog.RequestStats `json:"stats,omitempty"`        // of the whole scan when the step ended
	Seen            []*catalog.Person     `json:"seen,omitempty"`         // creators and editors named so far
}

// newPart returns an empty part.
func newPart() *part {
	return &part{Snapshot: catalog.Snapshot{Usage: map[catalog.Ref]catalog.Usage{}}}
}

func (p *part) gap(gaps ...catalog.Gap) { p.Gaps = append(p.Gaps, gaps...) }

func (p *part) use(ref catalog.Ref, u catalog.Usage) {
	if u != (catalog.Usage{}) {
		p.Usage[ref] = u
	}
}

func (p *part) uses(all map[catalog.Ref]catalog.Usage) {
	for ref, u := range all {
		p.use(ref, u)
	}
}

// codecVersion is part of every staged step. Raise it when the meaning of a
// part or of a catalog type changes: staging of another version is discarded.
const codecVersion = 1

var errCodec = errors.New("staged step has another format")

// record is one line of an encoded part.
type record struct {
	Type  string          `json:"t"`
	Value json.RawMessage `json:"v"`
}

type usageRecord struct {
	Ref   catalog.Ref   `json:"ref"`
	Usage catalog.Usage `json:"usage"`
}

type head struct {
	Version int `json:"version"`
}

// outRecord avoids a second copy of the encoded value.
type outRecord struct {
	Type  string `json:"t"`
	Value any    `json:"v"`
}

// encodePart writes a part as compressed JSON lines, one asset at a time, so
// that no second copy of a large step is held in clear.
func encodePart(p *part) ([]byte, error) {
	var out bytes.Buffer
	packer, err := zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, fmt.Errorf("open compressor: %w", err)
	}
	lines := json.NewEncoder(packer)
	lines.SetEscapeHTML(false)
	write := func(kind string, value any) {
		if err == nil {
			err = lines.Encode(outRecord{kind, value})
		}
	}
	write("head", head{codecVersion})
	write("facts", p.facts)
	write("instance", p.Instance)
	write("access", p.Access)
	write("marks", p.Marks)
	for _, g := range p.Gaps {
		write("gap", g)
	}
	for a := range p.All() {
		write(string(assetKind(a)), a)
	}
	for _, ref := range slices.SortedFunc(maps.Keys(p.Usage), catalog.Ref.Compare) {
		write("usage", usageRecord{ref, p.Usage[ref]})
	}
	write("end", struct{}{})
	if err != nil {
		return nil, fmt.Errorf("encode step: %w", errors.Join(err, packer.Close()))
	}
	if err := packer.Close(); err != nil {
		return nil, fmt.Errorf("compress step: %w", err)
	}
	return out.Bytes(), nil
}

// assetKind names the list an asset belongs to: models and metrics are stored
// among the questions.
func assetKind(a catalog.Asset) catalog.Kind {
	if _, ok := a.(*catalog.Question); ok {
		return catalog.KindQuestion
	}
	return a.Ref().Kind
}

// decodePart reads what encodePart wrote. A cut or foreign text is errCodec.
func decodePart(data []byte) (*part, error) {
	unpacker, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCodec, err)
	}
	defer unpacker.Close()
	p := newPart()
	lines := json.NewDecoder(unpacker)
	for n := 0; ; n++ {
		var r record
		if err := lines.Decode(&r); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF // the end record is missing
			}
			return nil, fmt.Errorf("%w: %w", errCodec, err)
		}
		if n == 0 {
			var h head
			if r.Type != "head" || json.Unmarshal(r.Value, &h) != nil || h.Version != codecVersion {
				return nil, errCodec
			}
			continue
		}
		if r.Type == "end" {
			return p, nil
		}
		if err := p.take(r); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errCodec, r.Type, err)
		}
	}
}

func (p *part) take(r record) error {
	switch r.Type {
	case "facts":
		return json.Unmarshal(r.Value, &p.facts)
	case "instance":
		return json.Unmarshal(r.Value, &p.Instance)
	case "access":
		return json.Unmarshal(r.Value, &p.Access)
	case "marks":
		return json.Unmarshal(r.Value, &p.Marks)
	case "gap":
		var g catalog.Gap
		err := json.Unmarshal(r.Value, &g)
		p.gap(g)
		return err
	case "usage":
		var u usageRecord
		err := json.Unmarshal(r.Value, &u)
		p.Usage[u.Ref] = u.Usage
		return err
	}
	a := newAsset(catalog.Kind(r.Type))
	if a == nil {
		return errors.New("unknown kind")
	}
	if err := json.Unmarshal(r.Value, a); err != nil {
		return err
	}
	p.Add(a)
	return nil
}

func newAsset(kind catalog.Kind) catalog.Asset {
	switch kind {
	case catalog.KindQuestion:
		return &catalog.Question{}
	case catalog.KindDashboard:
		return &catalog.Dashboard{}
	case catalog.KindCollection:
		return &catalog.Collection{}
	case catalog.KindDatabase:
		return &catalog.Database{}
	case catalog.KindTable:
		return &catalog.Table{}
	case catalog.KindSegment:
		return &catalog.Segment{}
	case catalog.KindMeasure:
		return &catalog.Measure{}
	case catalog.KindSnippet:
		return &catalog.Snippet{}
	case catalog.KindSubscription:
		return &catalog.Subscription{}
	case catalog.KindAlert:
		return &catalog.Alert{}
	case catalog.KindTransform:
		return &catalog.Transform{}
	case catalog.KindAction:
		return &catalog.Action{}
	case catalog.KindDocument:
		return &catalog.Document{}
	case catalog.KindGroup:
		return &catalog.Group{}
	case catalog.KindPerson:
		return &catalog.Person{}
	}
	return nil
}

// meta identifies a staged scan.
type meta struct {
	Version     int       `json:"version"`
	Fingerprint string    `json:"fingerprint"`
	StartedAt   time.Time `json:"started_at"`
}
