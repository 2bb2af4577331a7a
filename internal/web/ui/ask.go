package ui

import "net/url"

// AskLink is a question that a page offers to put to a model about what it shows.
type AskLink struct{ Label, Href string }

// ChatPath is the page that begins a chat about something: an asset as kind:id, a
// finding as finding:<fingerprint>. The name says what it is, for the reader.
func ChatPath(base, about, name string) string {
	return base + "/chat?" + url.Values{"about": {about}, "name": {Clip(Clean(name), maxAboutName)}}.Encode()
}

const maxAboutName = 80 // runes

func askClass(base string, small bool) string {
	if small {
		return base + " small"
	}
	return base
}
