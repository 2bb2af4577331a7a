package mask

import (
	"fmt"
)

// Category says what kind of personal or secret data a column keeps.
type Category string

// The categories of an answer.
const (
	Contact      Category = "contact"       // e-mail, phone, postal address, handles
	Name         Category = "name"          // names of people
	Identity     Category = "identity"      // what points at one person: user names, employer, device of a person
	GovernmentID Category = "government_id" // numbers that a state gives
	Financial    Category = "financial"     // cards, accounts, income
	Credential   Category = "credential"    // passwords, tokens, keys, and what resets them
	Health       Category = "health"        // diagnoses, disabilities, care
	Location     Category = "location"      // where a person lives or is
	Network      Category = "network"       // addresses and identifiers of devices
	Demographic  Category = "demographic"   // birth, sex, origin, belief
	FreeText     Category = "free_text"     // what people wrote, with anything in it
	NoCategory   Category = "none"          // nothing of these
)

// DefaultThreshold is the score from which a column counts as sensitive.
const DefaultThreshold = 0.5

// Column is what is known of a column. All but Name may be empty.
type Column struct {
	Table        string // with its schema or without: "public.users", "users"
	Name         string
	Type         string // as the database declares it, or Metabase's base type
	Description  string
	SemanticType string // Metabase's, for example "type/Email"
}

// Verdict is a decision and its reason.
type Verdict struct {
	Sensitive bool     // Score reaches DefaultThreshold
	Score     float64  // 0 to 1
	Category  Category // NoCategory unless something speaks for one
	Reason    string   // for people
}

// Rule is an entry of a list that an administrator keeps for a connection.
type Rule struct {
	Pattern  string // glob on "column", "table.column" or "schema.table.column"
	Category string // of what is blocked; empty leaves it to the classifier
	Note     string // why; part of the reason
}

// Rules are the lists of a connection. Block wins over Allow, and both win over
// what the classifier knows by itself.
type Rules struct {
	Block, Allow []Rule
}

// Classifier decides which columns are sensitive. It may be used by many
// goroutines at once.
type Classifier struct {
	lexicon      *lexicon
	block, allow []listed
}

// NewClassifier reads the rules. A pattern or category that is not one is an
// error of kind errs.Invalid that names it.
func NewClassifier(rules Rules) (*Classifier, error) {
	l, err := sharedLexicon()
	if err != nil {
		return nil, fmt.Errorf("read the classifier's words: %w", err)
	}
	c := &Classifier{lexicon: l}
	if c.block, err = readRules(rules.Block); err != nil {
		return nil, err
	}
	if c.allow, err = readRules(rules.Allow); err != nil {
		return nil, err
	}
	return c, nil
}

// Classify decides about one column. A rule of the block list decides first,
// then one of the allow list, then what the column says of itself.
func (c *Classifier) Classify(col Column) Verdict {
	if len(c.block)+len(c.allow) == 0 {
		return c.lexicon.judge(col)
	}
	path := columnPath(col)
	if r := matching(c.block, path); r != nil {
		v := Verdict{Sensitive: true, Score: 1, Category: Category(r.rule.Category), Reason: r.reason("blocked")}
		if v.Category == "" {
			v.Category = c.lexicon.judge(col).Category
		}
		if v.Category == NoCategory {
			v.Category = Identity
		}
		return v
	}
	if r := matching(c.allow, path); r != nil {
		return Verdict{Category: NoCategory, Reason: r.reason("allowed")}
	}
	return c.lexicon.judge(col)
}
