// Package ui holds the components that pages share: the frame, navigation,
// badges, tables, charts, and the formatting of numbers, times and names.
//
// Components take plain values and do no I/O. All names and texts that come from
// a Metabase pass [Clean] on their way out.
package ui

import (
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/web/assets"
)

// Frame is what surrounds a page.
type Frame struct {
	Title         string // of the document, before " · MetaLens"
	Nav           string // active entry: overview, findings, catalog, lineage, impact, duplicates, metrics, chat, scans, egress, connections, settings, account
	Theme         string // "", "light", "dark"; empty follows the system
	Path          string // of this page with its query, to come back to
	Now           time.Time
	Assets        *assets.Set
	Viewer        Viewer
	Organizations []OrganizationLink // of the viewer, where there may be several
	Connections   []ConnectionLink
	Connection    *ConnectionLink // the one the page is about; nil outside connections
	Findings      *int            // open findings of the connection; nil when not known
	Scan          *RunningScan
	Flash         *Flash
	Chat          bool        // questions can be asked
	Search        string      // text in the search field
	Scripts       []string    // further bundles of this page, by their plain names
	Wide          bool        // the content uses the whole width
	Refresh       int         // seconds after which browsers without scripts reload; 0 = never
	Menu          []MenuEntry // replaces the navigation, for the operator console
}

// Viewer is who looks.
type Viewer struct {
	Name  string
	Email string
	Admin bool
}

// OrganizationLink names an organization in the account's menu.
type OrganizationLink struct {
	ID      string
	Name    string
	Current bool
}

// MenuEntry is a line of a navigation.
type MenuEntry struct{ Key, Href, Label, Icon string }

// ConnectionLink names a connection in the switcher.
type ConnectionLink struct {
	ID      string
	Name    string
	Current bool
}

// Base returns the path below which the connection's pages live.
func (c ConnectionLink) Base() string { return "/c/" + c.ID }

// RunningScan is the scan that the top bar points at.
type RunningScan struct {
	Href    string
	Percent int // -1 when not known
}

// Flash is a message about what just happened.
type Flash struct {
	Text string `json:"text"`
	Bad  bool   `json:"bad,omitempty"`
	Undo *Undo  `json:"undo,omitempty"`
}

// Undo is a form that takes the last action back.
type Undo struct {
	Action string            `json:"action"`
	Label  string            `json:"label"`
	Fields map[string]string `json:"fields,omitempty"`
	Values []string          `json:"values,omitempty"` // sent as "fp"
}

// refresh says when to load the page anew. It names the page, because a browser
// whose address has a fragment would stay where it is.
func refresh(f Frame) string { return strconv.Itoa(f.Refresh) + "; url=" + f.Path }
