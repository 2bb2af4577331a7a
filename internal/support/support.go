// Package support makes a bundle for somebody who helps from outside: what this
// installation is and how it fares, and nothing of what is in it. It is written
// locally and sent nowhere.
//
// Names, addresses and hosts become hashes that hold within one bundle only.
// Texts are not filtered for what is bad, but built of what is known to be
// harmless wherever that is possible.
package support

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
)

// Setting is a configuration key as it is set.
type Setting struct {
	Name   string
	Value  string // empty for secrets
	Secret bool
	Source string // default, file, environment, flag
}

// Input is what a bundle is made of.
type Input struct {
	Version  string // of the program, with its build
	Go       string
	System   string // operating system and architecture
	Settings []Setting
	Doctor   string         // what doctor prints, offline
	Figures  *store.Figures // nil: the database could not be opened
	Problem  string         // why not
	Jobs     []jobs.Info
	Reports  []store.RetentionReport
	Log      io.Reader // nil: no log
	Names    []string  // to be left out everywhere
	Now      time.Time
}

// File is one part of a bundle.
type File struct {
	Name    string
	What    string // for the list
	Content []byte
}

// logLines is how much of the log a bundle has.
const logLines = 2000

// Build makes the files of a bundle.
func Build(_ context.Context, in Input) ([]File, error) {
	names := slices.Clone(in.Names)
	for _, k := range in.Settings { // what a setting hides, the other files hide too
		for part := range strings.SplitSeq(k.Value, ",") {
			if part = strings.TrimSpace(part); !k.Secret && !shown(part) {
				names = append(names, part)
			}
		}
	}
	s, err := NewScrubber(names)
	if err != nil {
		return nil, err
	}
	files := []File{
		{"versions.txt", "program, Go, operating system", fmt.Appendf(nil, "made %s\n%s\n%s\n%s\n", in.Now.UTC().Format(time.RFC3339), in.Version, in.Go, in.System)},
		{"settings.txt", "settings; secrets and names hidden", settingsText(s, in.Settings)},
		{"doctor.txt", "what metalens doctor says, names hashed", []byte(s.Text(in.Doctor))},
	}
	if in.Figures == nil {
		files = append(files, File{"database.txt", "why the database could not be read", []byte(s.Text(in.Problem) + "\n")})
	} else {
		b, err := figuresJSON(in.Figures)
		if err != nil {
			return nil, err
		}
		files = append(files, File{"database.json", "engine, size, migrations, rows per table, outcomes of scans by code", b})
	}
	files = append(files,
		File{"jobs.txt", "jobs by kind and state, last errors by code", jobsText(in.Jobs)},
		File{"retention.txt", "what retention deleted, counts", retentionText(in.Reports)})
	if in.Log != nil {
		lines, err := s.Log(in.Log, logLines)
		if err != nil {
			return nil, err
		}
		files = append(files, File{"log.txt", fmt.Sprintf("the last %d lines of the log, values hashed", len(lines)), []byte(strings.Join(lines, "\n") + "\n")})
	}
	return append([]File{{"README.txt", "this list", list(files)}}, files...), nil
}

func list(files []File) []byte {
	var b bytes.Buffer
	b.WriteString("Support bundle of MetaLens. It was written locally and sent nowhere; look through it before you give it away.\n" +
		"It holds no SQL, no names, no addresses and no hosts: what starts with # is a hash that holds within this bundle only.\n\n")
	for _, f := range files {
		fmt.Fprintf(&b, "%-14s %7d bytes  %s\n", f.Name, len(f.Content), f.What)
	}
	return b.Bytes()
}

func settingsText(s *Scrubber, settings []Setting) []byte {
	var b bytes.Buffer
	for _, k := range settings {
		value := s.Value(k.Value)
		if k.Secret {
			value = "(secret)"
		}
		fmt.Fprintf(&b, "%-32s %-12s %s\n", k.Name, k.Source, value)
	}
	return b.Bytes()
}

func figuresJSON(f *store.Figures) ([]byte, error) {
	type outcome struct {
		State string    `json:"state"`
		Code  string    `json:"code,omitempty"`
		Count int       `json:"count"`
		Last  time.Time `json:"last,omitzero"`
	}
	out := struct {
		Engine     string           `json:"engine"`
		Bytes      int64            `json:"bytes"`
		Migrations []int64          `json:"migrations"`
		Rows       map[string]int64 `json:"rows"`
		Scans      []outcome        `json:"scans"`
	}{Engine: string(f.Engine), Bytes: f.Bytes, Rows: f.Rows}
	for _, m := range f.Migrations {
		out.Migrations = append(out.Migrations, m.Version)
	}
	for _, o := range f.Outcomes {
		out.Scans = append(out.Scans, outcome{string(o.State), word(o.Code), o.Count, o.Last})
	}
	b, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the figures: %w", err)
	}
	return append(b, '\n'), nil
}

// word lets pass what can be a code of ours.
func word(code string) string {
	for part := range strings.SplitSeq(code, "/") {
		if part != "" && !plainWord.MatchString(part) {
			return "(not a code)"
		}
	}
	return code
}

func jobsText(all []jobs.Info) []byte {
	counts := map[string]int{}
	last := map[string]time.Time{}
	for _, j := range all {
		counts[fmt.Sprintf("%-20s %s", j.Kind, j.State)]++
		if j.LastError != "" {
			key := fmt.Sprintf("%-20s %s", j.Kind, word(j.LastError))
			if was, ok := last[key]; !ok || j.CreatedAt.After(was) {
				last[key] = j.CreatedAt
			}
		}
	}
	var b bytes.Buffer
	b.WriteString("kind                 state       jobs\n")
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, "%-32s %d\n", key, counts[key])
	}
	b.WriteString("\nkind                 last error, and when its job was made\n")
	for _, key := range slices.Sorted(maps.Keys(last)) {
		fmt.Fprintf(&b, "%-50s %s\n", key, last[key].UTC().Format(time.RFC3339))
	}
	return b.Bytes()
}

func retentionText(reports []store.RetentionReport) []byte {
	var b bytes.Buffer
	slices.SortStableFunc(reports, func(x, y store.RetentionReport) int { return cmp.Compare(y.At.UnixMicro(), x.At.UnixMicro()) })
	for _, r := range reports {
		fmt.Fprintf(&b, "%s %-8s", r.At.UTC().Format(time.RFC3339), word(r.Cause))
		for _, what := range slices.Sorted(maps.Keys(r.Deleted)) {
			fmt.Fprintf(&b, " %s=%d", what, r.Deleted[what])
		}
		b.WriteByte('\n')
	}
	return b.Bytes()
}
