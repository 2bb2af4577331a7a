package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/metalens/metalens/internal/catalog"
)

// kindAccess is the pseudo-kind under which the permission graphs are versioned.
const kindAccess catalog.Kind = "access"

// identityKind makes question, model and metric one: a question that becomes a
// model stays the same asset with a new definition.
func identityKind(k catalog.Kind) catalog.Kind {
	if k.IsCard() {
		return catalog.KindQuestion
	}
	return k
}

// assetKeySize is enough that two of a billion assets do not meet.
const assetKeySize = 16

// assetKey is a keyed hash of kind and id: it finds an asset's rows without
// showing a table's name.
type assetKey [assetKeySize]byte

func (tx *Tx) assetKey(conn ConnectionID, ref catalog.Ref) assetKey {
	return assetKey(tx.key.MAC("asset key", []byte(conn), []byte{0}, []byte(identityKind(ref.Kind)), []byte{0}, []byte(ref.ID))[:assetKeySize])
}

// assetKeyer is assetKey for many assets. It must not be shared by goroutines.
func (tx *Tx) assetKeyer(conn ConnectionID) func(catalog.Ref) assetKey {
	hash := tx.key.Hasher("asset key")
	buffer := make([]byte, 0, 32)
	return func(ref catalog.Ref) assetKey {
		buffer = hash(buffer[:0], []byte(conn), []byte{0}, []byte(identityKind(ref.Kind)), []byte{0}, []byte(ref.ID))
		return assetKey(buffer[:assetKeySize])
	}
}

// versionRow names the row that a version's body is bound to.
func versionRow(conn ConnectionID, key assetKey, from int64) string {
	b := make([]byte, 0, len(conn)+1+2*assetKeySize+8)
	b = append(b, conn...)
	b = append(b, '/')
	b = hex.AppendEncode(b, key[:])
	b = binary.BigEndian.AppendUint64(b, uint64(from))
	return string(b)
}

// canonical writes an asset's definition: fields in the order of their type,
// maps by key, no white space, no HTML escapes.
func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("write a definition: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// storedAccess keeps nil ("not read") and empty apart.
type storedAccess struct {
	Collections map[string]map[string]string `json:"collections"`
	Data        []catalog.DataGrant          `json:"data"`
	Memberships map[string][]string          `json:"memberships"`
}

func decodeAsset(kind catalog.Kind, text []byte) (catalog.Asset, error) {
	a := catalog.NewAsset(kind)
	if a == nil {
		return nil, fmt.Errorf("the store knows no assets of kind %q", kind)
	}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fmt.Errorf("read a stored %s: %w", kind, err)
	}
	return a, nil
}
