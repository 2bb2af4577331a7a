package security

import "github.com/metalens/metalens/internal/posture"

// stateClass is the look of a state among the states that pages know.
func stateClass(s posture.State) string {
	switch s {
	case posture.Fine:
		return "resolved"
	case posture.Notice:
		return "ignored"
	case posture.Problem:
		return "failed"
	default:
		return "queued"
	}
}

func stateWord(s posture.State) string {
	switch s {
	case posture.Fine:
		return "as it should be"
	case posture.Notice:
		return "weaker than it could be"
	case posture.Problem:
		return "to be mended"
	default:
		return "not evaluated"
	}
}

func isNumber(t *posture.Table, column int) bool { return column < len(t.Numbers) && t.Numbers[column] }
