package ledger

import "time"

// ProblemCode says what is wrong with a chain. Codes are stable.
type ProblemCode string

// The problems that verification tells apart.
const (
	ProblemBodyChanged       ProblemCode = "body_changed"       // a row is not the one that was committed to
	ProblemBodyMissing       ProblemCode = "body_missing"       // a row is gone before its time
	ProblemRowInserted       ProblemCode = "row_inserted"       // a row that the chain does not know
	ProblemLinkChanged       ProblemCode = "link_changed"       // a link does not follow from the one before
	ProblemLinkMissing       ProblemCode = "link_missing"       // numbers are missing
	ProblemHeadChanged       ProblemCode = "head_changed"       // the head is not the last link
	ProblemTailTruncated     ProblemCode = "tail_truncated"     // the chain is shorter than a checkpoint says
	ProblemCheckpointForged  ProblemCode = "checkpoint_forged"  // a signature does not hold
	ProblemCheckpointChanged ProblemCode = "checkpoint_changed" // a checkpoint contradicts the chain
	ProblemCheckpointMissing ProblemCode = "checkpoint_missing" // nothing signed stands for what is gone
	ProblemUnknownKey        ProblemCode = "unknown_key"        // signed by another key than the installation's
	ProblemPayloadChanged    ProblemCode = "payload_changed"    // a payload is not the one that was committed to
	ProblemChainMissing      ProblemCode = "chain_missing"      // an anchored chain is not in the database
)

// Problem is one contradiction.
type Problem struct {
	Code ProblemCode `json:"code"`
	Seq  int64       `json:"seq,omitempty"` // number of the row; 0 = none in particular
	Text string      `json:"text"`
	From string      `json:"from"` // chain, checkpoint or anchor
}

// MaxProblems is how many problems of one chain a report lists; it counts all.
const MaxProblems = 50

// ChainReport is what verification found in one chain.
type ChainReport struct {
	Org         string    `json:"org"` // empty for the installation
	Chain       Chain     `json:"chain"`
	Rows        int64     `json:"rows"`        // rows whose content was checked
	Links       int64     `json:"links"`       // links that were checked
	Head        int64     `json:"head"`        // number of the newest row
	Pruned      int64     `json:"pruned"`      // rows up to this number are gone with their links, by retention
	Gone        int64     `json:"gone"`        // rows whose content is gone and whose links were checked
	NotCovered  int64     `json:"not_covered"` // rows from before there was a chain
	Payloads    int64     `json:"payloads"`    // payloads that were checked
	Checkpoints int64     `json:"checkpoints"` // of the database, all signatures checked
	Anchors     int64     `json:"anchors"`     // of the files given
	AnchoredSeq int64     `json:"anchored_seq"`
	AnchoredAt  time.Time `json:"anchored_at,omitzero"`
	// ProblemCount is how many there are; Problems lists the first of them.
	ProblemCount int       `json:"problem_count"`
	Problems     []Problem `json:"problems,omitempty"`
}

// Add notes a problem.
func (r *ChainReport) Add(p Problem) {
	if r.ProblemCount++; len(r.Problems) < MaxProblems {
		r.Problems = append(r.Problems, p)
	}
}

// Report is what one verification found.
type Report struct {
	SchemaVersion int           `json:"schema_version"`
	At            time.Time     `json:"at"`
	Took          time.Duration `json:"took_ns"`
	KeyID         string        `json:"key_id,omitempty"`
	PublicKey     string        `json:"public_key,omitempty"`
	Chains        []ChainReport `json:"chains"`
	// Notes are facts that are no problem: an anchored organization that was
	// deleted on purpose.
	Notes []string `json:"notes,omitempty"`
}

// OK reports that nothing is wrong.
func (r *Report) OK() bool { return r.Problems() == 0 }

// Problems counts all problems.
func (r *Report) Problems() (n int) {
	for _, c := range r.Chains {
		n += c.ProblemCount
	}
	return n
}

// Of returns the part of one organization.
func (r *Report) Of(org string) Report {
	part := *r
	part.Chains, part.Notes = nil, nil
	for _, c := range r.Chains {
		if c.Org == org {
			part.Chains = append(part.Chains, c)
		}
	}
	return part
}
