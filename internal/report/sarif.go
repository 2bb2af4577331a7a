package report

import (
	"bufio"
	"path"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// The types below are the part of SARIF 2.1.0 that we write.

type sarifRule struct {
	ID                   string             `json:"id"`
	Name                 string             `json:"name"`
	ShortDescription     sarifText          `json:"shortDescription"`
	FullDescription      sarifText          `json:"fullDescription"`
	Help                 sarifHelp          `json:"help"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
	Properties           sarifRuleProps     `json:"properties"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifHelp struct {
	Text     string `json:"text"`
	Markdown string `json:"markdown"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

type sarifRuleProps struct {
	Tags             []string `json:"tags"`
	SecuritySeverity string   `json:"security-severity,omitempty"`
}

type sarifResult struct {
	RuleID              string            `json:"ruleId"`
	RuleIndex           int               `json:"ruleIndex"`
	Level               string            `json:"level"`
	Message             sarifText         `json:"message"`
	Locations           []sarifLocation   `json:"locations"`
	PartialFingerprints map[string]string `json:"partialFingerprints"`
	BaselineState       string            `json:"baselineState,omitempty"`
	HostedViewerURI     string            `json:"hostedViewerUri,omitempty"`
	Properties          sarifResultProps  `json:"properties"`
}

type sarifResultProps struct {
	Severity   finding.Severity   `json:"severity"`
	Confidence finding.Confidence `json:"confidence"`
}

type sarifLocation struct {
	PhysicalLocation *sarifPhysical `json:"physicalLocation,omitempty"`
	LogicalLocations []sarifLogical `json:"logicalLocations"`
}

type sarifPhysical struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

type sarifLogical struct {
	Name               string `json:"name"`
	FullyQualifiedName string `json:"fullyQualifiedName"`
	Kind               string `json:"kind"`
}

type sarifNotification struct {
	Level          string          `json:"level"`
	Message        sarifText       `json:"message"`
	AssociatedRule *sarifReference `json:"associatedRule,omitempty"`
}

type sarifReference struct {
	ID string `json:"id"`
}

type sarifInvocation struct {
	ExecutionSuccessful        bool                `json:"executionSuccessful"`
	StartTimeUTC               string              `json:"startTimeUtc"`
	EndTimeUTC                 string              `json:"endTimeUtc"`
	ToolExecutionNotifications []sarifNotification `json:"toolExecutionNotifications"`
}

const sarifRoot = "%SRCROOT%" // by convention the root of the repository

// writeSARIF writes SARIF 2.1.0. Where the snapshot came from an export folder,
// results point at its files; otherwise at logical locations.
func writeSARIF(w *bufio.Writer, d *document) error {
	s := newStream(w)
	s.raw("{\n\"$schema\": \"https://json.schemastore.org/sarif-2.1.0.json\",\n\"version\": \"2.1.0\",\n\"runs\": [{\n\"tool\": {\"driver\": {\"name\": ")
	s.value(d.in.Tool.Name)
	s.raw(", \"version\": ")
	s.value(d.in.Tool.Version)
	index := map[string]int{}
	rules := d.sarifRules(index)
	array(s, ", ", "rules", func(yield func(sarifRule) bool) {
		for _, r := range rules {
			if !yield(r) {
				return
			}
		}
	})
	s.raw("}},\n\"columnKind\": \"utf16CodeUnits\"")
	s.raw(",\n\"invocations\": [")
	s.value(d.sarifInvocation())
	s.raw("]")
	array(s, ",\n", "results", func(yield func(sarifResult) bool) {
		for i := range d.findings {
			if !yield(d.sarifResult(&d.findings[i], index)) {
				return
			}
		}
	})
	s.raw("\n}]\n}\n")
	return s.err
}

// sarifRules describes every known check and every check that has findings.
func (d *document) sarifRules(index map[string]int) []sarifRule {
	var rules []sarifRule
	add := func(c CheckInfo) {
		if _, known := index[c.ID]; known {
			return
		}
		index[c.ID] = len(rules)
		why := c.Why
		if why == "" {
			why = c.Title
		}
		help := why
		if c.Remediation != "" {
			help += "\n\nWhat to do: " + c.Remediation
		}
		r := sarifRule{
			ID: c.ID, Name: ruleName(c.Title), ShortDescription: sarifText{c.Title}, FullDescription: sarifText{why},
			Help:                 sarifHelp{Text: help, Markdown: help},
			DefaultConfiguration: sarifConfiguration{sarifLevel(c.Severity)},
			Properties:           sarifRuleProps{Tags: []string{"metabase"}},
		}
		if c.Family != "" {
			r.Properties.Tags = append(r.Properties.Tags, c.Family)
		}
		if c.Family == "SEC" {
			r.Properties.Tags = append(r.Properties.Tags, "security")
			r.Properties.SecuritySeverity = securitySeverity(c.Severity)
		}
		rules = append(rules, r)
	}
	for _, c := range d.in.Checks {
		add(c)
	}
	for i := range d.findings {
		c := d.checkInfo(d.findings[i].Check)
		if c.Severity == "" {
			c.Severity = d.findings[i].Severity
		}
		add(c)
	}
	return rules
}

// ruleName makes a PascalCase identifier of a title.
func ruleName(title string) string {
	var b strings.Builder
	up := true
	for _, r := range Clean(title) {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9':
			text := string(r)
			if up {
				text = strings.ToUpper(text)
			}
			b.WriteString(text)
			up = false
		default:
			up = true
		}
	}
	return b.String()
}

func sarifLevel(s finding.Severity) string {
	switch s {
	case finding.Critical, finding.High:
		return "error"
	case finding.Medium:
		return "warning"
	}
	return "note"
}

func securitySeverity(s finding.Severity) string {
	switch s {
	case finding.Critical:
		return "9.5"
	case finding.High:
		return "8.0"
	case finding.Medium:
		return "5.5"
	case finding.Low:
		return "3.0"
	}
	return "1.0"
}

func (d *document) sarifResult(f *finding.Finding, index map[string]int) sarifResult {
	name := d.name(f.Asset)
	full := name
	if p := d.path(f.Asset); p != "" {
		full = p + " / " + name
	}
	logical := sarifLogical{Name: Clean(name), FullyQualifiedName: Clean(full), Kind: "resource"}
	location := sarifLocation{LogicalLocations: []sarifLogical{logical}}
	if file := d.file(f.Asset); file != "" {
		location.PhysicalLocation = &sarifPhysical{ArtifactLocation: sarifArtifact{URI: file, URIBaseID: sarifRoot}, Region: sarifRegion{StartLine: 1}}
	}
	r := sarifResult{
		RuleID: f.Check, RuleIndex: index[f.Check], Level: sarifLevel(f.Severity),
		Message:             sarifText{Clean(name + ": " + f.Message)},
		Locations:           []sarifLocation{location},
		PartialFingerprints: map[string]string{"metalens/v1": f.Fingerprint},
		HostedViewerURI:     safeURL(d.index.URL(f.Asset)),
		Properties:          sarifResultProps{f.Severity, f.Confidence},
	}
	if d.in.Baseline != nil {
		r.BaselineState = "unchanged"
		if d.isNew(f) {
			r.BaselineState = "new"
		}
	}
	return r
}

// file returns the export file an asset, or the table of a column, was read
// from, as a relative URI.
func (d *document) file(r catalog.Ref) string {
	if r.Kind == catalog.KindColumn {
		if own := d.in.Snapshot.Files[r]; own == "" {
			r = catalog.Ref{Kind: catalog.KindTable, ID: catalog.TableOfColumn(r.ID)}
		}
	}
	name := d.in.Snapshot.Files[r]
	if name == "" {
		return ""
	}
	name = path.Join(d.in.Options.ExportDir, name)
	if path.IsAbs(name) || strings.HasPrefix(name, "..") {
		return ""
	}
	segments := strings.Split(name, "/")
	for i := range segments {
		segments[i] = escapeSegment(segments[i])
	}
	return strings.Join(segments, "/")
}

// escapeSegment percent-encodes everything that is not unreserved in a URI.
func escapeSegment(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hex[c>>4])
		b.WriteByte(hex[c&15])
	}
	return b.String()
}

func (d *document) sarifInvocation() sarifInvocation {
	s := d.in.Snapshot
	out := sarifInvocation{
		ExecutionSuccessful: true, StartTimeUTC: s.StartedAt.UTC().Format("2006-01-02T15:04:05.000Z"),
		EndTimeUTC: s.FinishedAt.UTC().Format("2006-01-02T15:04:05.000Z"), ToolExecutionNotifications: []sarifNotification{},
	}
	_, reasons := s.Partial()
	for _, r := range reasons {
		out.ToolExecutionNotifications = append(out.ToolExecutionNotifications, sarifNotification{Level: "warning", Message: sarifText{Clean("Partial scan: " + r)}})
	}
	for _, r := range d.notEvaluatedReasons() {
		out.ToolExecutionNotifications = append(out.ToolExecutionNotifications, sarifNotification{
			Level: "note", Message: sarifText{Clean("Not evaluated, " + r.what() + ": " + r.why())}, AssociatedRule: &sarifReference{r.Check.ID},
		})
	}
	return out
}
