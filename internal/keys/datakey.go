package keys

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"log/slog"

	"github.com/metalens/metalens/internal/secret"
)

// DataKey seals and hashes the content of one organization. It is safe for
// concurrent use.
type DataKey struct {
	org string
	set *Keyset
	mac func() []byte // root of all derived keys; survives rotation of the sealing keys
	// master is set in the key of what belongs to no organization.
	master *Master
}

// keys returns the sealing keys as they are now.
func (d *DataKey) keys() *Keyset {
	if d.master != nil {
		return d.master.Keyset()
	}
	return d.set
}

// Primary returns the id of the sealing key.
func (d *DataKey) Primary() uint32 { return d.keys().Primary() }

// IDs returns the ids of all sealing keys, the current one first.
func (d *DataKey) IDs() []uint32 { return d.keys().IDs() }

// Rotate returns a data key that seals with a new key and opens what d sealed.
// Hashes and derived keys stay the same.
func (d *DataKey) Rotate() (*DataKey, error) {
	set, err := d.set.Rotate()
	if err != nil {
		return nil, err
	}
	return newDataKey(d.org, set)
}

// Alone returns a data key that has only the sealing key left: nothing that the
// earlier ones sealed opens any more.
func (d *DataKey) Alone() (*DataKey, error) {
	set, err := d.set.Without(d.set.IDs()...)
	if err != nil {
		return nil, err
	}
	return newDataKey(d.org, set)
}

const wrapPlace = "organization data key"

// NewDataKey makes a data key for an organization and wraps it by k. What is
// stored is the wrapped form; destroying it makes everything sealed by the key
// unreadable.
func (k *Keyset) NewDataKey(org string) (*DataKey, []byte, error) {
	set, err := Generate()
	if err != nil {
		return nil, nil, err
	}
	d, err := newDataKey(org, set)
	if err != nil {
		return nil, nil, err
	}
	return d, k.WrapDataKey(d), nil
}

// WrapDataKey seals a data key by k, for storing; used again when the master
// key is rotated.
func (k *Keyset) WrapDataKey(d *DataKey) []byte {
	return k.Seal([]byte(d.set.Text().Expose()), wrapPlace, d.org)
}

// UnwrapDataKey opens a wrapped data key. It fails with [ErrOpen] for the key
// of another organization.
func (k *Keyset) UnwrapDataKey(org string, wrapped []byte) (*DataKey, error) {
	text, err := k.Open(wrapped, wrapPlace, org)
	if err != nil {
		return nil, err
	}
	set, err := Parse(secret.New(string(text)))
	clear(text)
	if err != nil {
		return nil, ErrOpen
	}
	return newDataKey(org, set)
}

func newDataKey(org string, set *Keyset) (*DataKey, error) {
	root, err := hkdf.Key(sha256.New, set.Derive("organization"), []byte(org), "metalens mac root", keySize)
	if err != nil {
		return nil, fmt.Errorf("derive the hashing key: %w", err)
	}
	return &DataKey{org: org, set: set, mac: func() []byte { return root }}, nil
}

// Seal encrypts a text for one row of one table of the organization.
func (d *DataKey) Seal(plaintext []byte, table, row string) []byte {
	return d.keys().Seal(plaintext, d.org, table, row)
}

// AppendSeal is Seal that appends to dst.
func (d *DataKey) AppendSeal(dst, plaintext []byte, table, row string) []byte {
	return d.keys().AppendSeal(dst, plaintext, d.org, table, row)
}

// Open decrypts what Seal made for the same row.
func (d *DataKey) Open(sealed []byte, table, row string) ([]byte, error) {
	if d.master != nil {
		return d.master.Open(sealed, d.org, table, row)
	}
	return d.set.Open(sealed, d.org, table, row)
}

// MAC returns a keyed hash of 32 bytes, different for each purpose and
// organization: equal contents can be found without being readable.
func (d *DataKey) MAC(purpose string, data ...[]byte) []byte {
	mac := hmac.New(sha256.New, d.derive(purpose))
	for _, part := range data {
		mac.Write(part)
	}
	return mac.Sum(nil)
}

// Derive returns a key for a purpose, such as the masking of literals. It stays
// the same as long as the organization lives.
func (d *DataKey) Derive(purpose string) secret.Value {
	return secret.New(base64.StdEncoding.EncodeToString(d.derive("exported " + purpose)))
}

// Hasher returns a function that hashes like MAC with the key prepared once,
// for many short texts. It must not be shared by goroutines.
func (d *DataKey) Hasher(purpose string) func(dst []byte, data ...[]byte) []byte {
	mac := hmac.New(sha256.New, d.derive(purpose))
	return func(dst []byte, data ...[]byte) []byte {
		mac.Reset()
		for _, part := range data {
			mac.Write(part)
		}
		return mac.Sum(dst)
	}
}

func (d *DataKey) derive(purpose string) []byte {
	mac := hmac.New(sha256.New, d.mac())
	mac.Write([]byte(purpose))
	return mac.Sum(nil)
}

// String returns a fixed mask.
func (d *DataKey) String() string { return mask }

// GoString returns a fixed mask.
func (d *DataKey) GoString() string { return mask }

// Format writes a fixed mask for every verb.
func (d *DataKey) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText returns a fixed mask.
func (d *DataKey) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns a fixed mask.
func (d *DataKey) LogValue() slog.Value { return slog.StringValue(mask) }

// SystemKey is a data key for what belongs to no organization. It is made of
// the master keys themselves, so that nothing needs to be stored for it.
func (k *Keyset) SystemKey() (*DataKey, error) { return newDataKey("", k) }
