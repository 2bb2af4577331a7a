package llm

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

func isBlank(s string) bool { return strings.TrimSpace(s) == "" }

func isWord(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-'
}

// isName checks names of tools and schemas as the narrowest provider wants them.
func isName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }) < 0
}

// isCallID checks the name of a tool call.
func isCallID(s string) bool {
	return s != "" && len(s) <= maxModelBytes && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }) < 0
}

// CallID returns a provider's name of a tool call, or one of ours where it has
// none that every provider would take back. turn is how many messages the
// request had, n counts the calls of the answer.
func CallID(given string, turn, n int) string {
	if isCallID(given) {
		return given
	}
	return "call_" + strconv.Itoa(turn) + "_" + strconv.Itoa(n)
}

// isModelName allows what names of models are made of: no spaces, no control
// characters, no text that could be anything else.
func isModelName(s string) bool {
	return s != "" && len(s) <= maxModelBytes && strings.IndexFunc(s, func(r rune) bool { return !isWord(r) && !strings.ContainsRune(".:/@+", r) }) < 0
}

// IsModelName reports whether a text can be the name of a model.
func IsModelName(s string) bool { return isModelName(s) }

// CheckCall refuses a call of a tool that could not even be sent back: one with
// no usable name, or with arguments that are no JSON object. Whether there is
// such a tool is for whoever runs it to say.
func CheckCall(c ToolCall) error {
	switch {
	case !isName(c.Name):
		return errors.New("it has no usable name")
	case !isObjectText(c.Args.String()):
		return errors.New("its arguments are no JSON object")
	}
	return nil
}

func isObjectText(s string) bool {
	var v map[string]json.RawMessage
	return json.Unmarshal([]byte(s), &v) == nil && v != nil
}
