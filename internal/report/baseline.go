package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/finding"
	"github.com/metalens/metalens/internal/jsonstream"
)

// Baseline is what an earlier report found: later reports mark what it did not.
type Baseline struct {
	URL    string // address of the Metabase it describes
	checks map[string]string
}

// Has reports whether the earlier report held a finding with this fingerprint.
func (b *Baseline) Has(fingerprint string) bool {
	_, ok := b.checks[fingerprint]
	return ok
}

// Len returns how many findings the earlier report held.
func (b *Baseline) Len() int { return len(b.checks) }

// Resolved counts the findings of the baseline that are gone. What a check
// could not judge at all this time is not counted.
func (b *Baseline) Resolved(now []finding.Finding, notEvaluated []finding.NotEvaluated) int {
	current := make(map[string]bool, len(now))
	for i := range now {
		current[now[i].Fingerprint] = true
	}
	silent := map[string]bool{}
	for _, n := range notEvaluated {
		if n.Asset.IsZero() {
			silent[n.Check] = true
		}
	}
	n := 0
	for fingerprint, check := range b.checks {
		if !current[fingerprint] && !silent[check] {
			n++
		}
	}
	return n
}

// OpenBaseline reads a JSON or NDJSON report from a file.
func OpenBaseline(path string) (*Baseline, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errs.Wrap(err, errs.Invalid, "baseline_missing", fmt.Sprintf("The baseline file %s does not exist.", path),
			"Write one with metalens scan --format json --output FILE.")
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.Invalid, "baseline_unreadable", fmt.Sprintf("The baseline file %s cannot be read.", path),
			"Check the path and its permissions.")
	}
	defer func() { _ = f.Close() }()
	b, err := ReadBaseline(f)
	var public *errs.Error
	if errors.As(err, &public) {
		return nil, errs.Wrap(err, public.Kind, public.Code, path+": "+public.Public, public.Hint)
	}
	if err != nil {
		return nil, fmt.Errorf("read baseline %s: %w", path, err)
	}
	return b, nil
}

// ReadBaseline reads an earlier JSON or NDJSON report.
func ReadBaseline(r io.Reader) (*Baseline, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	dec := json.NewDecoder(in)
	b := &Baseline{checks: map[string]string{}}
	token, err := dec.Token()
	if err != nil {
		return nil, notABaseline(err, "it is not JSON")
	}
	if token != json.Delim('{') {
		return nil, notABaseline(nil, "it does not begin with a JSON object")
	}
	version, ndjson, err := b.readDocument(dec)
	if err != nil {
		return nil, err
	}
	if err := checkVersion(version); err != nil {
		return nil, err
	}
	if !ndjson {
		return b, nil
	}
	for {
		var line struct {
			Record string `json:"record"`
			baselineFinding
		}
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return nil, notABaseline(err, "a line is not JSON, or the file was cut off")
		}
		if line.Record == recordFinding {
			b.checks[line.Fingerprint] = line.Check
		}
	}
}

type baselineFinding struct {
	Check       string `json:"check"`
	Fingerprint string `json:"fingerprint"`
}

// readDocument reads the members of the first object; the arrays of a large
// report are skipped or read element by element.
func (b *Baseline) readDocument(dec *json.Decoder) (version *int, ndjson bool, err error) {
	findings := false
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false, notABaseline(err, "it is cut off or damaged")
		}
		switch key {
		case "schema_version":
			err = dec.Decode(&version)
		case "record":
			var record string
			err = dec.Decode(&record)
			ndjson = record == recordReport
		case "connection":
			var c struct {
				URL string `json:"url"`
			}
			err = dec.Decode(&c)
			b.URL = c.URL
		case "findings":
			findings = true
			err = b.readFindings(dec)
		default:
			err = jsonstream.Skip(dec)
		}
		if err != nil {
			return nil, false, notABaseline(err, "it is cut off or damaged")
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, false, notABaseline(err, "it is cut off or damaged")
	}
	if version == nil || !findings && !ndjson {
		return nil, false, notABaseline(nil, "it lacks schema_version or findings")
	}
	return version, ndjson, nil
}

func (b *Baseline) readFindings(dec *json.Decoder) error {
	if token, err := dec.Token(); err != nil {
		return fmt.Errorf("findings: %w", err)
	} else if token != json.Delim('[') {
		return errors.New("findings: not an array")
	}
	for dec.More() {
		var f baselineFinding
		if err := dec.Decode(&f); err != nil {
			return fmt.Errorf("findings: %w", err)
		}
		b.checks[f.Fingerprint] = f.Check
	}
	_, err := dec.Token()
	return err
}

func checkVersion(version *int) error {
	if *version == SchemaVersion {
		return nil
	}
	return errs.New(errs.Invalid, "baseline_version", fmt.Sprintf("The baseline has schema_version %d, this MetaLens reads %d.", *version, SchemaVersion),
		"Write the baseline again with this version of MetaLens.")
}

func notABaseline(cause error, why string) error {
	return errs.Wrap(cause, errs.Invalid, "not_a_baseline", "The baseline is not a report of metalens scan: "+why+".",
		"Give a file written by metalens scan --format json (or ndjson) --output FILE.")
}
