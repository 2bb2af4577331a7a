// Package keys seals what the store must not show: AES-256-GCM with key ids,
// a master keyset that lives outside the database, and a data keyset per
// organization that the master keys wrap.
//
// A ciphertext names the key that made it and is bound to its place by
// associated data, so that a row's content does not open in another row. No
// key can be printed.
package keys

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

const (
	keySize     = 32
	sealVersion = 1
	headerSize  = 1 + 4 // version, key id
	textTag     = "metalens-key-v1"
	rootTag     = "metalens-root-v1"
	keptTag     = "metalens-kept-v1"
	maxKeys     = 64
)

// Overhead is the number of bytes that sealing adds.
const Overhead = headerSize + 12 + 16

// Keyset is an ordered set of AES-256 keys. The first seals, all open. A Keyset
// is immutable and safe for concurrent use.
//
// One key seals at most 2^32 messages with random nonces; that is thousands of
// scans a day for a century, and rotation resets the count.
type Keyset struct {
	primary uint32
	ring    func(id uint32) *key // in a closure: formatters print an address at most
	ids     []uint32
	derived func() *derivation // nil in keysets of the first form, which derive from their oldest key
}

// key is one AES key with its prepared cipher.
type key struct {
	raw  [keySize]byte
	aead cipher.AEAD
}

func newKeyset(ids []uint32, raw map[uint32][keySize]byte, from *derivation) (*Keyset, error) {
	ring := make(map[uint32]*key, len(ids))
	for _, id := range ids {
		k := &key{raw: raw[id]}
		block, err := aes.NewCipher(k.raw[:])
		if err != nil {
			return nil, fmt.Errorf("prepare key %d: %w", id, err)
		}
		if k.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
			return nil, fmt.Errorf("prepare key %d: %w", id, err)
		}
		ring[id] = k
	}
	k := &Keyset{primary: ids[0], ids: ids, ring: func(id uint32) *key { return ring[id] }}
	if from != nil {
		k.derived = func() *derivation { return from }
	}
	return k, nil
}

// Generate returns a keyset with one new key.
func Generate() (*Keyset, error) {
	return (*Keyset)(nil).Rotate()
}

// Rotate returns a keyset that seals with a new key and still opens what the
// keys of k sealed. What is derived stays the same.
func (k *Keyset) Rotate() (*Keyset, error) {
	raw, ids := k.raw()
	from, err := k.derivation()
	if err != nil {
		return nil, err
	}
	var fresh [keySize]byte
	var number [4]byte
	for {
		if _, err := rand.Read(number[:]); err != nil {
			return nil, fmt.Errorf("make a key id: %w", err)
		}
		id := binary.BigEndian.Uint32(number[:])
		if _, taken := raw[id]; id == 0 || taken {
			continue
		}
		if _, err := rand.Read(fresh[:]); err != nil {
			return nil, fmt.Errorf("make a key: %w", err)
		}
		raw[id] = fresh
		return newKeyset(append([]uint32{id}, ids...), raw, from)
	}
}

// Parse reads the text form: one key per line, "metalens-key-v1 <id> <base64>",
// the sealing key first; then what other keys are derived from. Empty lines and
// lines starting with # are skipped.
func Parse(text secret.Value) (*Keyset, error) {
	raw := map[uint32][keySize]byte{}
	var ids []uint32
	var from *derivation
	for line := range strings.Lines(text.Expose()) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Fields(line)
		if fields[0] == rootTag || fields[0] == keptTag {
			var err error
			if from, err = from.parse(fields); err != nil {
				return nil, err
			}
			continue
		}
		if len(fields) != 3 || fields[0] != textTag {
			return nil, badKeys("a line is not of the form \"" + textTag + " <id> <key>\"")
		}
		id, err := strconv.ParseUint(fields[1], 10, 32)
		if err != nil || id == 0 {
			return nil, badKeys("a key id is not a number above 0")
		}
		b, err := base64.StdEncoding.DecodeString(fields[2])
		if err != nil || len(b) != keySize {
			return nil, badKeys("a key is not 32 bytes in base64")
		}
		if _, twice := raw[uint32(id)]; twice {
			return nil, badKeys("a key id occurs twice")
		}
		raw[uint32(id)] = [keySize]byte(b)
		ids = append(ids, uint32(id))
	}
	switch {
	case len(ids) == 0:
		return nil, badKeys("it holds no key")
	case len(ids) > maxKeys:
		return nil, badKeys("it holds too many keys")
	}
	return newKeyset(ids, raw, from)
}

// badKeys never carries a part of the text it complains about.
func badKeys(why string) error {
	return errs.New(errs.Invalid, "bad_key", "The master key cannot be read: "+why+".",
		"Give the file that MetaLens wrote, unchanged, or restore it from your backup of the keys.")
}

// Text returns the form that [Parse] reads.
func (k *Keyset) Text() secret.Value {
	var b strings.Builder
	for _, id := range k.ids {
		raw := k.ring(id).raw
		fmt.Fprintf(&b, "%s %d %s\n", textTag, id, base64.StdEncoding.EncodeToString(raw[:]))
	}
	if k.derived != nil {
		k.derived().write(&b)
	}
	return secret.New(b.String())
}

// Primary returns the id of the sealing key.
func (k *Keyset) Primary() uint32 { return k.primary }

// IDs returns the ids of all keys, the sealing one first.
func (k *Keyset) IDs() []uint32 { return append([]uint32(nil), k.ids...) }

// Seal encrypts a text and binds it to its place. Open needs the same place.
func (k *Keyset) Seal(plaintext []byte, place ...string) []byte {
	return k.AppendSeal(make([]byte, 0, len(plaintext)+Overhead), plaintext, place...)
}

// AppendSeal is Seal that appends to dst.
func (k *Keyset) AppendSeal(dst, plaintext []byte, place ...string) []byte {
	start := len(dst)
	dst = append(dst, sealVersion)
	dst = binary.BigEndian.AppendUint32(dst, k.primary)
	return k.ring(k.primary).aead.Seal(dst, nil, plaintext, associated(dst[start:start+headerSize], place)) //nolint:gosec // this cipher draws its own nonce
}

// ErrOpen is the answer for every ciphertext that does not open: damaged,
// truncated, moved from its place, or sealed by a key that is not here.
var ErrOpen = errs.New(errs.Internal, "cannot_decrypt", "Stored data could not be decrypted.",
	"Check that the master key is the one this database was made with.")

// Open decrypts what Seal made for the same place.
func (k *Keyset) Open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return nil, ErrOpen
	}
	used := k.ring(binary.BigEndian.Uint32(sealed[1:headerSize]))
	if used == nil {
		return nil, ErrOpen
	}
	plain, err := used.aead.Open(nil, nil, sealed[headerSize:], associated(sealed[:headerSize], place))
	if err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// KeyID tells which key sealed a text; ok is false when it is no sealed text.
func KeyID(sealed []byte) (id uint32, ok bool) {
	if len(sealed) < Overhead || sealed[0] != sealVersion {
		return 0, false
	}
	return binary.BigEndian.Uint32(sealed[1:headerSize]), true
}

// associated joins the header and the parts of a place so that no two places
// give the same bytes.
func associated(header []byte, place []string) []byte {
	size := len(header)
	for _, p := range place {
		size += len(p) + 4
	}
	ad := append(make([]byte, 0, size), header...)
	for _, p := range place {
		ad = binary.BigEndian.AppendUint32(ad, uint32(len(p)))
		ad = append(ad, p...)
	}
	return ad
}

const mask = "[keys]"

// String returns a fixed mask.
func (k *Keyset) String() string { return mask }

// GoString returns a fixed mask.
func (k *Keyset) GoString() string { return mask }

// Format writes a fixed mask for every verb.
func (k *Keyset) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText returns a fixed mask.
func (k *Keyset) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns a fixed mask.
func (k *Keyset) LogValue() slog.Value { return slog.StringValue(mask) }
