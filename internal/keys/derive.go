package keys

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// derivation is what hashes and further keys are derived from. It is no sealing
// key and opens nothing, so that it outlives every sealing key: hashes that find
// equal contents stay the same when the keys change (docs/adr/0017).
type derivation struct {
	root [keySize]byte
	// kept are results from before the keyset had a root, by purpose.
	kept map[string][keySize]byte
}

// firstPurposes are those that keysets of the first form derived from their
// oldest key; each is kept one by one, because the key itself must be able to go.
var firstPurposes = []string{"organization", "login throttle"}

// Derive gives a 32-byte key for a purpose. Adding and removing keys does not
// change it.
func (k *Keyset) Derive(purpose string) []byte {
	if k.derived == nil {
		oldest := k.ring(k.ids[len(k.ids)-1]).raw
		return derive(oldest[:], purpose)
	}
	d := k.derived()
	if have, ok := d.kept[purpose]; ok {
		return bytes.Clone(have[:])
	}
	return derive(d.root[:], purpose)
}

func derive(from []byte, purpose string) []byte {
	mac := hmac.New(sha256.New, from)
	mac.Write([]byte("metalens derive\x00" + purpose))
	return mac.Sum(nil)
}

// derivation returns what the successor of k derives from; k may be nil.
func (k *Keyset) derivation() (*derivation, error) {
	if k != nil && k.derived != nil {
		return k.derived(), nil
	}
	d := &derivation{kept: map[string][keySize]byte{}}
	if _, err := rand.Read(d.root[:]); err != nil {
		return nil, fmt.Errorf("make a root: %w", err)
	}
	if k != nil {
		for _, purpose := range firstPurposes {
			d.kept[purpose] = [keySize]byte(k.Derive(purpose))
		}
	}
	return d, nil
}

func (d *derivation) write(b *strings.Builder) {
	fmt.Fprintf(b, "%s %s\n", rootTag, base64.StdEncoding.EncodeToString(d.root[:]))
	for _, purpose := range slices.Sorted(maps.Keys(d.kept)) {
		kept := d.kept[purpose]
		fmt.Fprintf(b, "%s %s %s\n", keptTag, base64.StdEncoding.EncodeToString([]byte(purpose)), base64.StdEncoding.EncodeToString(kept[:]))
	}
}

// parse reads one line that write wrote and adds it to d, which may be nil.
func (d *derivation) parse(fields []string) (*derivation, error) {
	value, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(value) != keySize {
		return nil, badKeys("what keys are derived from is not 32 bytes in base64")
	}
	if fields[0] == rootTag {
		if len(fields) != 2 || d != nil {
			return nil, badKeys("it does not have one root")
		}
		return &derivation{root: [keySize]byte(value), kept: map[string][keySize]byte{}}, nil
	}
	if len(fields) != 3 || d == nil {
		return nil, badKeys("the root is missing before what was kept")
	}
	purpose, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil {
		return nil, badKeys("a purpose is not in base64")
	}
	d.kept[string(purpose)] = [keySize]byte(value)
	return d, nil
}

// raw returns the keys by id and the ids in order; k may be nil.
func (k *Keyset) raw() (map[uint32][keySize]byte, []uint32) {
	raw := map[uint32][keySize]byte{}
	if k == nil {
		return raw, nil
	}
	for _, id := range k.ids {
		raw[id] = k.ring(id).raw
	}
	return raw, slices.Clone(k.ids)
}

// Has reports whether a key of the set has an id.
func (k *Keyset) Has(id uint32) bool { return k.ring(id) != nil }

// Sealing returns the same keys with another one sealing; ok is false when the
// set does not hold it.
func (k *Keyset) Sealing(id uint32) (set *Keyset, ok bool) {
	if !k.Has(id) {
		return nil, false
	}
	c := *k
	c.primary = id
	c.ids = append([]uint32{id}, slices.DeleteFunc(slices.Clone(k.ids), func(other uint32) bool { return other == id })...)
	if k.derived == nil { // the oldest key must stay the oldest
		oldest := k.ids[len(k.ids)-1]
		c.ids = append(slices.DeleteFunc(c.ids, func(other uint32) bool { return other == oldest }), oldest)
	}
	return &c, true
}

// Without returns the set without some keys: what they sealed does not open any
// more. At least one key stays, and the sealing one does.
func (k *Keyset) Without(ids ...uint32) (*Keyset, error) {
	raw, order := k.raw()
	order = slices.DeleteFunc(order, func(id uint32) bool { return id != k.primary && slices.Contains(ids, id) })
	for _, id := range ids {
		if id != k.primary {
			delete(raw, id)
		}
	}
	from, err := k.derivation()
	if err != nil {
		return nil, err
	}
	// Rebuilt, so that the removed keys are not reachable from the new set.
	set, err := newKeyset(order, raw, from)
	if err != nil {
		return nil, err
	}
	if set.primary != k.primary {
		set, _ = set.Sealing(k.primary)
	}
	return set, nil
}
