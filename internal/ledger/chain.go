package ledger

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// Chain names one of an organization's two logs. Each is a chain of its own;
// the installation has the same two for what belongs to no organization.
type Chain string

// The chains.
const (
	ChainAudit  Chain = "audit"
	ChainLedger Chain = "ledger"
)

// Chains lists both, in the order in which they are locked.
func Chains() []Chain { return []Chain{ChainAudit, ChainLedger} }

// HashSize is the size of commitments and links in bytes.
const HashSize = sha256.Size

// Domain separation: no hash of one kind can be taken for another.
const (
	domainGenesis    = "metalens chain genesis v1"
	domainCommitment = "metalens chain commitment v1"
	domainLink       = "metalens chain link v1"
	domainPayload    = "metalens payload v1"
)

// SaltSize is the size of the salt of a commitment in bytes.
const SaltSize = 16

// NewSalt returns a random salt.
func NewSalt() ([]byte, error) {
	salt := make([]byte, SaltSize)
	if _, err := rand.Read(salt); err != nil {
		return nil, fmt.Errorf("make a salt: %w", err)
	}
	return salt, nil
}

// Canonical joins the parts of a row so that no two rows give the same bytes.
func Canonical(parts ...[]byte) []byte {
	size := 0
	for _, p := range parts {
		size += 4 + len(p)
	}
	b := make([]byte, 0, size)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func sum(domain string, parts ...[]byte) []byte {
	h := sha256.New()
	h.Write([]byte(domain))
	h.Write([]byte{0})
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// Genesis is the link before a chain's first row. It binds the chain to its
// organization ("" for the installation) and name.
func Genesis(org string, chain Chain) []byte {
	return sum(domainGenesis, Canonical([]byte(org), []byte(chain)))
}

// Commit returns the commitment to a row: a hash of its salt and canonical
// form. Without the salt it tells nothing about the row.
func Commit(salt, canonical []byte) []byte { return sum(domainCommitment, Canonical(salt, canonical)) }

// Link returns the link of the row with number seq, which ties it to all rows
// before it.
func Link(before []byte, seq, atMicros int64, commitment []byte) []byte {
	var numbers [16]byte
	binary.BigEndian.PutUint64(numbers[:8], uint64(seq))
	binary.BigEndian.PutUint64(numbers[8:], uint64(atMicros))
	return sum(domainLink, Canonical(before, numbers[:], commitment))
}

// PayloadDigest is the hash by which a row names its payload.
func PayloadDigest(salt, content []byte) []byte { return sum(domainPayload, Canonical(salt, content)) }

// MaxPayload is how much of one request the ledger keeps, in bytes. Of more
// than that it keeps the hash.
const MaxPayload = 4 << 20

// MaxPayloadAge is how long a payload is kept at most.
const MaxPayloadAge = 30 * 24 * time.Hour

// Payload is what an announced exchange sends, with every credential replaced
// by the name of the key it stands for.
type Payload struct {
	Media   string // application/http, message/rfc822, …
	Content []byte
	Subject string // what it belongs to and goes with: chat:<id>; empty for nothing
	Author  string // user who caused it; empty for the program itself
}

// PayloadMode says what is kept of a payload.
type PayloadMode string

// The modes. The zero mode keeps.
const (
	PayloadKept PayloadMode = "keep" // sealed, at most [MaxPayloadAge]
	PayloadHash PayloadMode = "hash" // a salted hash, by which a copy can be recognized
)

// PayloadRef is what a ledger row knows of its payload for as long as the row
// itself lives.
type PayloadRef struct {
	Mode   PayloadMode `json:"mode"`
	Media  string      `json:"media,omitempty"`
	Size   int64       `json:"size"`
	Digest []byte      `json:"digest"`
	Salt   []byte      `json:"salt,omitempty"` // with a hash alone; otherwise it goes with the payload
	Author string      `json:"author,omitempty"`
}
