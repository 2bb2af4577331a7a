package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strconv"

	"github.com/metalens/metalens/internal/catalog"
)

// Fingerprint identifies a finding over scans. It is made of the check, the
// asset and the parts of key that tell several findings about one asset apart;
// never of names, messages or numbers that move. So it survives renames, moves
// and rescans, and where the asset has an entity id also the way to another
// instance. A question that becomes a model keeps its fingerprints.
func Fingerprint(checkID string, asset catalog.Ref, entityID string, key ...string) string {
	h := sha256.New()
	part := func(s string) {
		// The length in front keeps ("ab", "c") apart from ("a", "bc").
		_, _ = io.WriteString(h, strconv.Itoa(len(s))+":"+s)
	}
	part(checkID)
	part(kindClass(asset.Kind))
	if entityID != "" {
		part("entity")
		part(entityID)
	} else {
		part("id")
		part(asset.ID)
	}
	for _, k := range key {
		part(k)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// kindClass merges the kinds that one asset can change between.
func kindClass(k catalog.Kind) string {
	if k.IsCard() {
		return "card"
	}
	return string(k)
}

// Rank orders confidences: 2 for certain down to 0 for possible, -1 for
// anything else.
func (c Confidence) Rank() int {
	switch c {
	case Certain:
		return 2
	case Likely:
		return 1
	case Possible:
		return 0
	}
	return -1
}
