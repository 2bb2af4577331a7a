package mask

import (
	"math"
	"strings"
)

// How far a word beside the meaning takes a score down.
const (
	factorID        = 0.15 // email_id is a key of e-mails
	factorCount     = 0.15 // email_count
	factorTime      = 0.12 // email_sent_at
	factorFlag      = 0.12 // email_verified, has_phone
	factorMeta      = 0.30 // email_format
	factorThing     = 0.35 // email_campaign
	factorUnknown   = 0.70 // email_xyz
	factorFollowed  = 0.40 // phone_country: the later meaning counts
	factorKept      = 0.85 // disability_type still tells the disability
	factorType      = 0.15 // a number is no e-mail address
	factorWeak      = 0.20 // "ad" is a name in Turkish only
	factorBool      = 0.12
	factorBoolKept  = 0.75 // is_pregnant tells all
	factorQualified = 0.80 // xyz_token
	factorAgainst   = 0.30 // Metabase's semantic type says something else

	scoreCertain   = 0.95 // Metabase's semantic type says it
	scoreDescribed = 0.60 // only the description says it
	scoreMarked    = 0.70 // the description says that it is personal

	qualifiedScore = 0.60 // meanings below this are believed less behind an unknown word
	qualifiedBelow = 0.20 // meanings below this when nothing is known need their context
	keyBelow       = 0.85 // meanings from this on are believed of keys too
)

// about is what a column is about and the word that says so.
type about struct {
	topic topic
	word  string
	table bool // the table says so
	faint bool // by a word that mostly says nothing
}

// judgement is a candidate of a verdict.
type judgement struct {
	score   float64
	concept int16
	word    string
	about   about
	but     string // what took it down
}

// judge decides by what the column says of itself.
func (l *lexicon) judge(col Column) Verdict {
	var tokens [maxNameTokens]nameToken
	var found [2 * maxSegments]nameSegment
	name, parents := splitName(clip(col.Name))
	table := l.tableAbout(clip(col.Table))
	if parents != "" {
		if a := l.tableAbout(parents); a.topic != topicOpen && !a.faint {
			table = a
		}
	}
	class := typeClass(col.Type)
	segments := l.segments(found[:0], tokenize(tokens[:0], name))
	best := judgement{concept: noConcept}
	for i := range segments {
		if segments[i].concept == noConcept {
			continue
		}
		if j := l.weigh(segments, i, table, col.Table, class); j.score > best.score || best.concept == noConcept {
			best = j
		}
	}
	best = l.bySemanticType(best, col.SemanticType, segments, table, class)
	best = l.byDescription(best, col.Description, segments, table, class)
	return l.verdict(best)
}

// splitName parts a field of a record from the records around it.
func splitName(name string) (last, parents string) {
	name = strings.Trim(name, "`\"[] \t\r\n")
	if at := strings.LastIndexByte(name, '.'); at > 0 && at < len(name)-1 && !strings.Contains(name, " ") {
		return name[at+1:], name[:at]
	}
	return name, ""
}

// tableAbout says what the rows of a table are about: its last word that says
// so. Words after it that say nothing are passed; behind an unknown word people
// become a record of them only.
func (l *lexicon) tableAbout(table string) about {
	if table == "" {
		return about{}
	}
	table = strings.TrimRight(table, "`\"] .")
	if at := strings.LastIndexByte(table, '.'); at >= 0 {
		table = table[at+1:]
	}
	var tokens [maxNameTokens]nameToken
	var found [2 * maxSegments]nameSegment
	segments := l.segments(found[:0], tokenize(tokens[:0], table))
	strange := false
	var fallback about
	for i := len(segments) - 1; i >= 0; i-- {
		s := segments[i]
		if s.kinds&kindNeutral != 0 && s.kinds&kindPerson == 0 {
			if roles := s.kinds & kindRoles; roles != 0 && fallback.topic == topicOpen {
				fallback = about{topic: topicOf(roles), word: s.shown, table: true, faint: true}
			}
			continue
		}
		if roles := s.kinds & kindRoles; roles != 0 {
			a := about{topic: topicOf(roles), word: s.shown, table: true}
			if strange && a.topic == topicPerson {
				a.topic = topicRecord
			}
			return a
		}
		if s.concept != noConcept {
			if a, ok := l.tableOfConcept(s); ok {
				return a
			}
			continue
		}
		if !s.known {
			strange = true
		}
	}
	return fallback
}

// tableOfConcept reads tables that are called after what they keep, such as
// full_names or allergies.
func (l *lexicon) tableOfConcept(s nameSegment) (about, bool) {
	switch l.concepts[s.concept].category {
	case Contact:
		return about{topic: topicRecord, word: s.shown, table: true}, true
	case Location:
		return about{topic: topicThing, word: s.shown, table: true}, true
	case Health:
		return about{topic: topicRecord, word: s.shown, table: true}, l.concepts[s.concept].name != "healthweak"
	case FreeText:
		switch l.concepts[s.concept].name {
		case "note", "comment", "feedback", "body", "statement":
			return about{topic: topicTalk, word: s.shown, table: true}, true
		}
	}
	return about{}, false
}

// topicOf picks the strongest of several roles.
func topicOf(roles wordKind) topic {
	switch {
	case roles&kindPerson != 0:
		return topicPerson
	case roles&kindTalk != 0:
		return topicTalk
	case roles&kindRecord != 0:
		return topicRecord
	case roles&kindOrg != 0:
		return topicOrg
	case roles&kindThing != 0:
		return topicThing
	}
	return topicOpen
}

// weigh scores the meaning of one segment among the others of its name.
func (l *lexicon) weigh(segments []nameSegment, i int, table about, tableName string, class byte) judgement {
	c := &l.concepts[segments[i].concept]
	j := judgement{concept: segments[i].concept, word: segments[i].shown}
	j.about = l.aboutOf(segments, i, c, table, tableName)
	j.score = c.scores[j.about.topic]
	if segments[i].weak != strongWord && !believable(segments, i, j.about) {
		j.score *= factorWeak
	}
	if j.about.topic == topicOpen && j.score < qualifiedScore && strangeBefore(segments, i, tableName) {
		j.score *= factorQualified
	}
	kept := c.category == Health || c.category == Demographic
	if i > 0 {
		j.before(segments, i, c, kept)
	}
	for k := i + 1; k < len(segments); k++ {
		j.after(l, segments[k], c, kept)
	}
	j.byType(c, class, kept)
	return j
}

// believable says whether a short word of some language may mean what it can
// mean: alone, and of a person.
func believable(segments []nameSegment, i int, a about) bool {
	if a.topic != topicPerson && (a.topic != topicRecord || segments[i].weak == ofPeople) {
		return false
	}
	for k := range segments {
		if k != i && segments[k].kinds&(kindNeutral|kindPerson|kindOwn) == 0 {
			return false
		}
	}
	return true
}

// strangeBefore says whether an unknown word stands before a meaning.
func strangeBefore(segments []nameSegment, i int, table string) bool {
	for k := range i {
		if !segments[k].known && !isAlias(segments[k].text, table) {
			return true
		}
	}
	return false
}

// aboutOf finds what a meaning is about: the nearest word before it that says
// so, else the table.
func (l *lexicon) aboutOf(segments []nameSegment, i int, c *concept, table about, tableName string) about {
	found := table
	for k := i - 1; k >= 0; k-- {
		s := segments[k]
		if s.kinds&kindOwn != 0 {
			if table.topic == topicPerson {
				continue
			}
			found = about{topic: topicRecord, word: s.shown}
			break
		}
		if roles := s.kinds & kindRoles; roles != 0 && s.kinds&kindNeutral == 0 {
			if table.topic == topicPerson && numbersPeople(c) {
				continue
			}
			found = about{topic: topicOf(roles), word: s.shown}
			break
		}
		if s.known && s.concept == noConcept && s.kinds&(kindNeutral|kindAsk|kindNumber) != 0 || isAlias(s.text, tableName) {
			continue
		}
		if c.scores[topicOpen] < qualifiedBelow {
			found = about{topic: topicOpen}
			break
		}
	}
	for k := i + 1; k < len(segments); k++ {
		if segments[k].kinds&kindPerson != 0 && segments[k].concept == noConcept && found.topic != topicPerson {
			return about{topic: topicPerson, word: segments[k].shown}
		}
	}
	return found
}

// numbersPeople says whether a meaning is a number that an organisation gives to
// a person: the organisation before it changes nothing.
func numbersPeople(c *concept) bool {
	return c.name == "personnumber" || c.name == "persontextid"
}

// isAlias says whether a word stands for the table: its name or its letters, as
// "ipb" does for ipblocks and "rc" for recentchanges.
func isAlias(word, table string) bool {
	const longest = 4
	if len(word) < 2 {
		return true
	}
	if at := strings.LastIndexByte(table, '.'); at >= 0 {
		table = table[at+1:]
	}
	if len(table) > maxNameBytes {
		return false
	}
	if strings.Contains(strings.ToLower(table), word) {
		return true
	}
	if len(word) > longest {
		return false
	}
	i := 0
	for _, r := range strings.ToLower(table) {
		if i < len(word) && r == rune(word[i]) {
			i++
		} else if i == 0 && r != '_' && r != ' ' {
			return false // begins otherwise
		}
	}
	return i == len(word)
}

// before weighs the words before a meaning.
func (j *judgement) before(segments []nameSegment, i int, c *concept, kept bool) {
	first := segments[0]
	if asks, word := beginsAsQuestion(segments[:i]); asks {
		if kept {
			j.lower(factorBoolKept, word)
		} else {
			j.lower(factorFlag, word)
		}
	}
	switch {
	case first.concept != noConcept:
	case first.kinds&kindNumber != 0 && !isAmount(c):
		j.lower(factorCount, first.shown)
	case c.category == GovernmentID:
	case first.text == "id":
		j.lower(factorID, first.shown)
	case first.kinds&kindMeta != 0 && romanceHead(first.text):
		j.lower(factorMeta, first.shown)
	case first.kinds&kindTime != 0 && romanceHead(first.text):
		j.lower(factorTime, first.shown)
	}
	if prev := segments[i-1]; i > 1 && prev.concept == noConcept && prev.kinds&(kindNumber|kindCount) != 0 && prev.kinds&(kindNeutral|kindOwn) == 0 && !isAmount(c) {
		j.lower(factorCount, prev.shown)
	}
}

// beginsAsQuestion says whether a name begins as a question, maybe behind whom it concerns:
// "has_phone", "user_allow_email".
func beginsAsQuestion(segments []nameSegment) (bool, string) {
	for _, s := range segments {
		if s.concept == noConcept && s.kinds&kindAsk != 0 {
			return true, s.shown
		}
		if s.kinds&(kindRoles|kindNeutral) == 0 {
			break
		}
	}
	return false, ""
}

// romanceHead says whether a word comes before what it is the head of, as in
// "tipo_documento" and "date_email".
func romanceHead(word string) bool {
	switch word {
	case "tipo", "type", "typ", "statut", "estado", "fecha", "date", "tipe", "modelo", "modele":
		return true
	}
	return false
}

// after weighs a word behind a meaning.
func (j *judgement) after(l *lexicon, s nameSegment, c *concept, kept bool) {
	if kept && (s.concept != noConcept || s.kinds&(kindMeta|kindTime|kindFlag|kindNeutral|kindRoles) != 0) && s.kinds&kindID == 0 {
		j.lower(factorKept, s.shown)
		return
	}
	switch {
	case s.concept != noConcept && l.concepts[s.concept].category == c.category:
	case s.concept != noConcept && s.kinds&(kindPerson|kindNeutral|kindOwn) != 0:
	case s.kinds&kindID != 0 && s.kinds&kindNeutral == 0:
		j.lower(factorID, s.shown)
	case s.concept != noConcept:
		j.lower(factorFollowed, s.shown)
	case c.category == FreeText && isDigest(s.text):
		j.lower(factorMeta, s.shown)
	case s.digits, s.kinds&(kindNeutral|kindOwn|kindPerson|kindRecord|kindTalk|kindOrg) != 0 && s.kinds&(kindMeta|kindFlag) == 0:
	case s.kinds&kindCount != 0:
		if !isAmount(c) {
			j.lower(factorCount, s.shown)
		}
	case s.kinds&kindTime != 0:
		if c.category != Demographic {
			j.lower(factorTime, s.shown)
		}
	case s.kinds&(kindFlag|kindAsk) != 0:
		j.lower(factorFlag, s.shown)
	case s.kinds&kindMeta != 0:
		j.lower(factorMeta, s.shown)
	case s.kinds&kindThing != 0:
		j.lower(factorThing, s.shown)
	case !s.known:
		j.score *= factorUnknown
	}
}

// isAmount says whether a meaning is an amount itself.
func isAmount(c *concept) bool { return c.name == "salary" || c.name == "income" || c.name == "wealth" }

// isDigest says whether a word is one of a checksum, which hides a long text,
// though not a short one such as an e-mail address.
func isDigest(word string) bool {
	switch word {
	case "hash", "digest", "checksum", "sha", "sha1", "sha256", "sha512", "md5", "crc", "crc32":
		return true
	}
	return false
}

func (j *judgement) byType(c *concept, class byte, kept bool) {
	switch {
	case c.name == "persontextid" && class != typeText:
		j.score *= factorID
		j.but = "it may be a key"
	case class == typeUnknown, class == typeCode && (kept || c.category == Location):
	case class == typeCode:
		j.score *= factorBool
		j.but = "its type has room for a code only"
	case class == typeNumber && strings.HasSuffix(j.word, "s") && c.category != GovernmentID && !isAmount(c) && !kept:
		j.score *= factorType
		j.but = "its type is a number of them"
	case class == typeBool && kept:
		j.score *= factorBoolKept
	case class == typeBool:
		j.score *= factorBool
		j.but = "its type is yes or no"
	case strings.IndexByte(c.never, class) >= 0:
		j.score *= factorType
		j.but = "its type is " + typeMeaning(class)
	}
}

func (j *judgement) lower(factor float64, word string) {
	j.score *= factor
	if factor < factorKept {
		j.but = "“" + shorten(word) + "” makes it a detail or something else"
	}
}

// bySemanticType takes in what Metabase, or an administrator in Metabase, found
// the column to be.
func (l *lexicon) bySemanticType(j judgement, declared string, segments []nameSegment, table about, class byte) judgement {
	if declared == "" {
		return j
	}
	s, ok := l.semantic[fold(clip(declared))]
	if !ok || s.effect == semanticNothing {
		return j
	}
	switch s.effect {
	case semanticKey:
		if j.score < keyBelow {
			j.score *= factorAgainst
			j.but = "Metabase takes it for a key"
		}
		return j
	case semanticAgainst:
		if j.concept != noConcept && l.concepts[j.concept].category != Credential && l.concepts[j.concept].category != GovernmentID {
			j.score *= factorAgainst
			j.but = "Metabase has it as " + s.meaning
		}
		return j
	}
	c := &l.concepts[s.concept]
	if class != typeUnknown && strings.IndexByte(c.never, class) >= 0 {
		return j
	}
	score := c.scores[table.topic]
	if s.effect == semanticCertain {
		score = scoreCertain
	} else if j.concept != noConcept && j.but != "" || saysOtherwise(segments) {
		return j // the name knows better
	}
	if score <= j.score {
		return j
	}
	return judgement{score: score, concept: s.concept, word: declared, about: table}
}

// saysOtherwise says whether a name ends in a word that is known to be something
// else, as "group_name" is the name of a group.
func saysOtherwise(segments []nameSegment) bool {
	if len(segments) == 0 {
		return false
	}
	last := segments[len(segments)-1]
	return last.concept == noConcept && last.kinds&(kindThing|kindOrg|kindID|kindCount|kindTime|kindFlag) != 0 && last.kinds&kindNeutral == 0
}

func (l *lexicon) verdict(j judgement) Verdict {
	if j.concept == noConcept {
		return Verdict{Category: NoCategory, Reason: "no word of its name, type or description speaks for personal or secret data"}
	}
	c := &l.concepts[j.concept]
	v := Verdict{Score: math.Round(min(max(j.score, 0), 1)*100) / 100, Category: c.category}
	v.Sensitive = v.Score >= DefaultThreshold
	var b strings.Builder
	b.WriteString("“" + shorten(j.word) + "” stands for " + c.meaning)
	switch {
	case j.but != "":
		b.WriteString(", but " + j.but)
	case j.about.topic == topicOpen:
		if !v.Sensitive {
			b.WriteString(", but nothing ties it to a person")
		}
	default:
		b.WriteString(aboutReason(j.about))
	}
	v.Reason = b.String()
	if v.Score < scoreNothing {
		v.Category = NoCategory
	}
	return v
}

// scoreNothing is the score below which no category is named.
const scoreNothing = 0.2

func aboutReason(a about) string {
	what := [topics]string{topicPerson: "people", topicRecord: "what concerns one person", topicTalk: "what people write", topicOrg: "organisations", topicThing: "things"}[a.topic]
	if a.table {
		return ", in a table about " + what + " (“" + shorten(a.word) + "”)"
	}
	return ", and “" + shorten(a.word) + "” says that it is about " + what
}
