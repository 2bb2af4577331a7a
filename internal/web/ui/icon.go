package ui

import (
	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/finding"
)

// iconPath returns the outline of an icon on a 16 × 16 grid, drawn with strokes.
func iconPath(name string) string {
	switch name {
	case "overview":
		return "M2 9.5a6 6 0 1 1 12 0M8 9.5 10.8 6M4.2 12.5h7.6"
	case "findings":
		return "M8 2.2 14 13H2zM8 6.4v3M8 11.2v.1"
	case "catalog":
		return "M2.5 3.5h4v4h-4zM9.5 3.5h4v4h-4zM2.5 10h4v3.5h-4zM9.5 10h4v3.5h-4z"
	case "lineage":
		return "M2 6h4v4H2zM10 2.500h4v4h-4zM10 9.500h4v4h-4zM6 8h2M8 4.500v7M8 4.500h2M8 11.500h2"
	case "impact":
		return "M8 8.900a.9.9 0 1 0 0-1.800.9.9 0 0 0 0 1.800zM8 11.500a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7zM8 1.500v1M8 13.500v1M1.500 8h1M13.500 8h1"
	case "chat":
		return "M2.5 3h11v7.500h-6L4.500 13v-2.500h-2zM5.500 6h5M5.500 8h3"
	case "duplicates":
		return "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3"
	case "metrics":
		return "M3 13h10M3 10.500 6.500 7l2.500 2.500L13.500 4M10.500 4h3v3"
	case "scans":
		return "M13.5 8a5.5 5.5 0 1 1-1.6-3.9M13.5 2v3h-3"
	case "egress":
		return "M3 8h9M8.5 4.5 12 8l-3.5 3.5M3 3v10"
	case "connections":
		return "M6.5 9.5l3-3M7 4.5l1.2-1.2a3 3 0 0 1 4.5 4.5L11.5 9M9 11.5l-1.2 1.2a3 3 0 0 1-4.5-4.5L4.5 7"
	case "security":
		return "M8 1.800 13 3.800v4c0 3.200-2.100 5.300-5 6.400-2.900-1.100-5-3.200-5-6.400v-4zM5.800 8l1.600 1.600L10.400 6.500"
	case "search":
		return "M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3 14 14"
	case "menu":
		return "M2.5 4.5h11M2.5 8h11M2.5 11.5h11"
	case "close":
		return "M4 4l8 8M12 4l-8 8"
	case "chevron":
		return "M6 4l4 4-4 4"
	case "down":
		return "M4 6l4 4 4-4"
	case "moon":
		return "M13 9.5A5.5 5.5 0 1 1 6.5 3a4.5 4.5 0 0 0 6.5 6.5z"
	case "sun":
		return "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9"
	case "system":
		return "M2.5 3h11v7.5h-11zM6 13.5h4M8 10.5v3"
	case "user":
		return "M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM3 13.8c.6-2.6 2.5-4 5-4s4.400 1.400 5 4"
	case "logout":
		return "M6 2.500H3v11h3M7 8h6.500M11 5.500 13.500 8 11 10.500"
	case "external":
		return "M9.500 2.500h4v4M13.500 2.500 7.500 8.500M11.500 9.500v4h-9v-9h4"
	case "check":
		return "M3 8.500 6.500 12 13 4.500"
	case "plus":
		return "M8 3v10M3 8h10"
	case "copy":
		return "M5.500 5.500h8v8h-8zM10.500 5.500v-3h-8v8h3"
	case "clock":
		return "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.800V8l2.200 1.500"
	case "eye":
		return "M1.500 8S4 3.500 8 3.500 14.500 8 14.500 8 12 12.500 8 12.500 1.500 8 1.500 8zM8 9.800a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600z"
	case "mute":
		return "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM3.800 3.800l8.400 8.400"
	case "verified":
		return "M8 1.800l1.700 1.300 2.100-.1.500 2.100 1.700 1.300-.8 2 .4 2.100-2 .8-1 1.900-2.100-.4-2.100.4-1-1.900-2-.8.4-2.100-.8-2L4.700 5.100l.5-2.100 2.100.1zM5.800 8l1.600 1.600 3-3.100"
	case "lock":
		return "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500"
	case "info":
		return "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.300v3.500M8 5v.1"
	case "filter":
		return "M2 3.500h12L9.500 8.500v4l-3 1.500V8.500z"
	case "keyboard":
		return "M1.500 4h13v8h-13zM4 6.500h.1M6.600 6.500h.1M9.200 6.500h.1M11.900 6.500h.1M4.500 9.500h7"
	case "settings":
		return "M6.8 1.5h2.4l.3 1.8 1.3.7 1.7-.6 1.2 2-1.4 1.2v1.6l1.4 1.2-1.2 2-1.7-.6-1.3.7-.3 1.8H6.8l-.3-1.8-1.3-.7-1.7.6-1.2-2 1.4-1.2V6.6L2.3 5.4l1.2-2 1.7.6 1.3-.7zM8 5.8a2 2 0 1 0 0 4 2 2 0 0 0 0-4"
	case "key":
		return "M10.500 8.500a3 3 0 1 0-3-3c0 .5.100.9.300 1.300L2.500 12v1.500H5V12h1.500v-1.500L8.200 8.700c.6.3 1.400.5 2.300-.2zM11 5v.1"
	case "critical":
		return "M5.500 2h5L14 5.500v5L10.500 14h-5L2 10.500v-5zM6 6l4 4M10 6l-4 4"
	case "high":
		return "M8 2.200 14 13H2zM8 6.400v3M8 11.200v.1"
	case "medium":
		return "M8 1.800 14.200 8 8 14.200 1.800 8zM8 5.200v3.200M8 10.600v.1"
	case "low":
		return "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v5M6 8.200l2 2 2-2"
	case string(catalog.KindQuestion):
		return "M2.500 13.500h11M4 13.500v-5M8 13.500v-10M12 13.500v-7"
	case string(catalog.KindModel):
		return "M8 1.800l5.500 3v6.400L8 14.200l-5.500-3V4.800zM2.500 4.800 8 7.800l5.500-3M8 7.800v6.400"
	case string(catalog.KindMetric):
		return "M3 13h10M3 10.500 6.500 7l2.500 2.500L13.500 4M10.500 4h3v3"
	case string(catalog.KindDashboard):
		return "M2.500 2.500h4.500v6H2.500zM9 2.500h4.500v3.500H9zM9 8h4.500v5.500H9zM2.500 10.500h4.500v3H2.500z"
	case string(catalog.KindCollection):
		return "M2 4h4.500l1.500 1.800h6v7H2z"
	case string(catalog.KindDatabase):
		return "M3 4c0-1.100 2.200-2 5-2s5 .9 5 2-2.200 2-5 2-5-.9-5-2zM3 4v8c0 1.100 2.200 2 5 2s5-.9 5-2V4M3 8c0 1.100 2.200 2 5 2s5-.9 5-2"
	case string(catalog.KindTable):
		return "M2.500 3h11v10h-11zM2.500 6.500h11M2.500 9.800h11M6.500 6.500V13"
	case string(catalog.KindColumn):
		return "M5.500 2.500h5v11h-5zM5.500 6h5M5.500 9.500h5"
	case string(catalog.KindSegment):
		return "M2 3.500h12L9.500 8.500v4l-3 1.500V8.500z"
	case string(catalog.KindSnippet):
		return "M5.500 4.500 2 8l3.500 3.500M10.500 4.500 14 8l-3.500 3.500"
	case string(catalog.KindSubscription):
		return "M2 4h12v8.500H2zM2.300 4.300 8 8.500l5.700-4.200"
	case string(catalog.KindAlert):
		return "M4 11V7a4 4 0 1 1 8 0v4l1 1H3zM6.800 13.800h2.400"
	case string(catalog.KindTransform):
		return "M2.500 5h8M8 2.500 10.500 5 8 7.500M13.500 11h-8M8 8.500 5.500 11 8 13.500"
	case string(catalog.KindGroup), string(catalog.KindPerson):
		return "M8 8a2.700 2.700 0 1 0 0-5.400A2.700 2.700 0 0 0 8 8zM3 13.800c.6-2.600 2.500-4 5-4s4.400 1.400 5 4"
	}
	return "M3.500 2h6l3 3v9h-9zM9.500 2v3h3"
}

func severityIcon(s finding.Severity) string {
	switch s {
	case finding.Critical, finding.High, finding.Medium, finding.Low:
		return string(s)
	}
	return "info"
}
