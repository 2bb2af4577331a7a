package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// CheckpointKind says what a checkpoint stands for.
type CheckpointKind string

// The kinds of checkpoint.
const (
	CheckpointHead  CheckpointKind = "head"  // where a chain stood
	CheckpointPrune CheckpointKind = "prune" // links up to it, and bodies older than Before, were deleted by retention
	CheckpointErase CheckpointKind = "erase" // the body of this one row was deleted because what it told of was erased
)

// Checkpoint is a signed statement about a chain. It outlives the rows that it
// covers.
type Checkpoint struct {
	Org       string // empty for the installation
	Chain     Chain
	Kind      CheckpointKind
	Seq       int64
	Link      []byte
	At        time.Time // to the microsecond
	Before    time.Time // prune only
	KeyID     string
	Signature []byte
}

// statement is what is signed.
func (c Checkpoint) statement() []byte {
	number := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	return append([]byte("metalens checkpoint v1\x00"), Canonical([]byte(c.Org), []byte(c.Chain), []byte(c.Kind), number(c.Seq), c.Link,
		number(microsOf(c.At)), number(microsOf(c.Before)), []byte(c.KeyID))...)
}

func microsOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// VerifiedBy reports whether the owner of a public key signed the checkpoint.
func (c Checkpoint) VerifiedBy(public ed25519.PublicKey) bool {
	return len(public) == ed25519.PublicKeySize && c.KeyID == KeyID(public) && ed25519.Verify(public, c.statement(), c.Signature)
}

// KeyID is the short name of a public key.
func KeyID(public ed25519.PublicKey) string {
	h := sha256.Sum256(public)
	return hex.EncodeToString(h[:8])
}

// Signer signs checkpoints. Its key cannot be printed.
type Signer struct {
	public ed25519.PublicKey
	sign   func([]byte) []byte
	seed   func() []byte
}

// NewSigner makes a signer with a new key.
func NewSigner() (*Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a signing key: %w", err)
	}
	return signerOf(private), nil
}

// ReadSigner makes a signer from what [Signer.Seed] returned.
func ReadSigner(seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, errors.New("a signing key has the wrong size")
	}
	return signerOf(ed25519.NewKeyFromSeed(seed)), nil
}

func signerOf(private ed25519.PrivateKey) *Signer {
	public, _ := private.Public().(ed25519.PublicKey)
	return &Signer{
		public: public,
		sign:   func(b []byte) []byte { return ed25519.Sign(private, b) },
		seed:   private.Seed,
	}
}

// Public returns the public key.
func (s *Signer) Public() ed25519.PublicKey { return bytes.Clone(s.public) }

// ID returns the key's short name.
func (s *Signer) ID() string { return KeyID(s.public) }

// Seed returns the secret part, for sealing.
func (s *Signer) Seed() []byte { return s.seed() }

// Sign fills in key id and signature.
func (s *Signer) Sign(c Checkpoint) Checkpoint {
	c.KeyID = s.ID()
	c.Signature = s.sign(c.statement())
	return c
}

// anchorFormat is the first field of each anchored line.
const anchorFormat = "metalens-checkpoint-v1"

// anchor is a checkpoint as it stands outside the database: one line of JSON.
type anchor struct {
	Format    string         `json:"format"`
	Org       string         `json:"org"`
	Chain     Chain          `json:"chain"`
	Kind      CheckpointKind `json:"kind"`
	Seq       int64          `json:"seq"`
	Link      string         `json:"link"`
	At        time.Time      `json:"at"`
	Before    *time.Time     `json:"before,omitempty"`
	KeyID     string         `json:"key_id"`
	PublicKey string         `json:"public_key"`
	Signature string         `json:"signature"`
}

// AnchorLine writes a checkpoint as one line of JSON without its line end.
func AnchorLine(c Checkpoint, public ed25519.PublicKey) ([]byte, error) {
	a := anchor{
		Format: anchorFormat, Org: c.Org, Chain: c.Chain, Kind: c.Kind, Seq: c.Seq, Link: hex.EncodeToString(c.Link), At: c.At.UTC(),
		KeyID: c.KeyID, PublicKey: hex.EncodeToString(public), Signature: hex.EncodeToString(c.Signature),
	}
	if !c.Before.IsZero() {
		before := c.Before.UTC()
		a.Before = &before
	}
	b, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("write an anchor: %w", err)
	}
	return b, nil
}

// maxAnchorLine bounds one line of an anchors file.
const maxAnchorLine = 64 << 10

// ReadAnchors reads lines as [AnchorLine] writes them. Text around the JSON of
// a line, as syslog and mail put it there, is skipped, and so are lines without
// a checkpoint; a line that holds half a checkpoint is an error with its number.
func ReadAnchors(r io.Reader) ([]Checkpoint, error) {
	var list []Checkpoint
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 4096), maxAnchorLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		mark := bytes.Index(line, []byte(`{"format":"`+anchorFormat+`"`))
		if mark < 0 {
			continue
		}
		c, err := readAnchor(line[mark:])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		list = append(list, c)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	return list, nil
}

func readAnchor(line []byte) (Checkpoint, error) {
	var a anchor
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&a); err != nil {
		return Checkpoint{}, fmt.Errorf("no whole checkpoint: %w", err)
	}
	link, err := hex.DecodeString(a.Link)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the link: %w", err)
	}
	signature, err := hex.DecodeString(a.Signature)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the signature: %w", err)
	}
	c := Checkpoint{Org: a.Org, Chain: a.Chain, Kind: a.Kind, Seq: a.Seq, Link: link, At: a.At, KeyID: a.KeyID, Signature: signature}
	if a.Before != nil {
		c.Before = *a.Before
	}
	return c, nil
}
