package mask

import "strings"

const (
	describedBytes = 400 // of a description are read
	describedHead  = 7   // words in which it says what the column is
)

// byDescription takes in what a description says: that the column is personal,
// whose it is, or, where the name says nothing, what it is.
func (l *lexicon) byDescription(j judgement, text string, segments []nameSegment, table about, class byte) judgement {
	if len(text) > describedBytes {
		text = strings.ToValidUTF8(text[:describedBytes], "")
	}
	if strings.TrimSpace(text) == "" {
		return j
	}
	lower := fold(text)
	if marked(lower) && j.score < scoreMarked && j.but == "" && class != typeBool {
		if j.concept != noConcept {
			j.score = scoreMarked
			j.but = ""
			return j
		}
	}
	if j.but != "" || j.score >= DefaultThreshold {
		return j
	}
	if j.concept != noConcept && j.about.topic == topicOpen && ofPerson(lower) {
		c := &l.concepts[j.concept]
		if score := c.scores[topicPerson] * j.share(c); score > j.score {
			j.score, j.about = score, about{topic: topicPerson, word: "its description"}
		}
		return j
	}
	return l.described(j, text, segments, table, class)
}

// share is the part of the score that is left after what took it down.
func (j *judgement) share(c *concept) float64 {
	if whole := c.scores[j.about.topic]; whole > 0 {
		return j.score / whole
	}
	return 0
}

// marked says whether a description calls the column personal.
func marked(text string) bool {
	for _, no := range []string{"no pii", "not pii", "non-pii", "not contain", "without pii", "no personal", "not personal", "removed", "anonymi", "pseudonymi", "redact", "strip"} {
		if strings.Contains(text, no) {
			return false
		}
	}
	for _, yes := range []string{"(pii)", "[pii]", "pii:", "is pii", "contains pii", "personally identif", "personal data", "personal information", "sensitive personal", "confidential", "gdpr"} {
		if strings.Contains(text, yes) {
			return true
		}
	}
	return strings.TrimSpace(text) == "pii"
}

// ofPerson says whether a description speaks of somebody's.
func ofPerson(text string) bool {
	for _, whose := range []string{"user", "customer", "person", "patient", "employee", "student", "member", "subscriber", "applicant", "individual", "client's", "contact's", "respondent"} {
		for _, form := range []string{"of the " + whose, "of a " + whose, "of an " + whose, "of this " + whose, whose + "'s ", whose + "’s "} {
			if strings.Contains(text, form) {
				return true
			}
		}
	}
	return false
}

// described looks for a meaning in the first words of a description.
func (l *lexicon) described(j judgement, text string, segments []nameSegment, table about, class byte) judgement {
	for i := range segments {
		if segments[i].kinds&(kindID|kindCount|kindFlag|kindTime) != 0 && i == len(segments)-1 || i == 0 && segments[i].kinds&kindAsk != 0 {
			return j
		}
	}
	if class != typeText && class != typeUnknown && class != typeJSON {
		return j
	}
	head := text
	if at := strings.IndexAny(head, ".;:,(\n"); at > 0 {
		head = head[:at]
	}
	var tokens [maxNameTokens]nameToken
	var found [2 * maxSegments]nameSegment
	words := l.segments(found[:0], tokenize(tokens[:0], head))
	for i := range words {
		if i >= describedHead || words[i].kinds&(kindAsk|kindNumber|kindID|kindCount|kindFlag) != 0 && words[i].kinds&kindNeutral == 0 {
			return j
		}
		if words[i].concept == noConcept || words[i].weak != strongWord {
			continue
		}
		c := &l.concepts[words[i].concept]
		next := i+1 < len(words) && words[i+1].kinds&(kindMeta|kindThing|kindFlag|kindCount|kindTime|kindID) != 0 && words[i+1].kinds&kindNeutral == 0
		if next || !describable(c) || strings.IndexByte(c.never, class) >= 0 {
			return j
		}
		if scoreDescribed > j.score {
			return judgement{score: scoreDescribed, concept: words[i].concept, word: words[i].shown, about: about{topic: table.topic, word: table.word, table: table.table}}
		}
		return j
	}
	return j
}

// describable says whether a meaning is believed of a description alone: only
// those that cannot be taken for another.
func describable(c *concept) bool {
	switch c.name {
	case "email", "phone", "firstname", "lastname", "fullname", "birthdate", "govid", "cardnumber", "bankaccount", "password", "ip", "accesstoken":
		return true
	}
	return false
}
