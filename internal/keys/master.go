package keys

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Master is the master keyset of a running program. Unlike a [Keyset] it can
// change: which key seals is said by the database ([Master.Use]), and a key
// that another process made is fetched from where the keys come from as soon as
// something sealed by it is met. It is safe for concurrent use.
type Master struct {
	current atomic.Pointer[Keyset]
	reload  func() (*Keyset, error) // nil = the keys cannot be read again

	mu      sync.Mutex
	gone    []uint32             // revoked
	missing map[uint32]time.Time // ids that a reload did not bring, and when
}

// missingFor is how long an id that no source knows is not asked for again.
const missingFor = time.Second

// NewMaster returns a master keyset. reload reads the keys again from where they
// came from; nil where that is not possible.
func NewMaster(set *Keyset, reload func() (*Keyset, error)) *Master {
	m := &Master{reload: reload, missing: map[uint32]time.Time{}}
	m.current.Store(set)
	return m
}

// Keyset returns the keys as they are now.
func (m *Master) Keyset() *Keyset { return m.current.Load() }

// Primary returns the id of the sealing key.
func (m *Master) Primary() uint32 { return m.Keyset().Primary() }

// IDs returns the ids of all keys, the sealing one first.
func (m *Master) IDs() []uint32 { return m.Keyset().IDs() }

// Derive is [Keyset.Derive].
func (m *Master) Derive(purpose string) []byte { return m.Keyset().Derive(purpose) }

// Seal is [Keyset.Seal].
func (m *Master) Seal(plaintext []byte, place ...string) []byte {
	return m.Keyset().Seal(plaintext, place...)
}

// Open is [Keyset.Open]. A key that is not here yet is fetched.
func (m *Master) Open(sealed []byte, place ...string) ([]byte, error) {
	if id, ok := KeyID(sealed); ok && !m.Keyset().Has(id) {
		m.fetch(id)
	}
	return m.Keyset().Open(sealed, place...)
}

// NewDataKey is [Keyset.NewDataKey].
func (m *Master) NewDataKey(org string) (*DataKey, []byte, error) { return m.Keyset().NewDataKey(org) }

// WrapDataKey is [Keyset.WrapDataKey].
func (m *Master) WrapDataKey(d *DataKey) []byte { return m.Keyset().WrapDataKey(d) }

// UnwrapDataKey is [Keyset.UnwrapDataKey]. A key that is not here yet is
// fetched.
func (m *Master) UnwrapDataKey(org string, wrapped []byte) (*DataKey, error) {
	if id, ok := KeyID(wrapped); ok && !m.Keyset().Has(id) {
		m.fetch(id)
	}
	return m.Keyset().UnwrapDataKey(org, wrapped)
}

// SystemKey is a data key for what belongs to no organization. It is made of
// the master keys themselves, so that nothing needs to be stored for it, and
// follows them when they change.
func (m *Master) SystemKey() (*DataKey, error) {
	d, err := m.Keyset().SystemKey()
	if err != nil {
		return nil, err
	}
	d.master = m
	return d, nil
}

// Use makes a key seal. ok is false when no source holds it.
func (m *Master) Use(id uint32) (ok bool) {
	if m.Primary() == id {
		return true
	}
	if !m.Keyset().Has(id) {
		m.fetch(id)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	set, ok := m.Keyset().Sealing(id)
	if ok {
		m.current.Store(set)
	}
	return ok
}

// Put adds the keys of a set that this process made or was given. The sealing
// key stays the one that it was.
func (m *Master) Put(set *Keyset) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(set)
}

func (m *Master) put(set *Keyset) error {
	was := m.Primary()
	if next, ok := set.Sealing(was); ok {
		set = next
	}
	if slices.ContainsFunc(m.gone, set.Has) {
		next, err := set.Without(m.gone...)
		if err != nil {
			return err
		}
		set = next
	}
	m.current.Store(set)
	return nil
}

// Forget drops revoked keys from memory: nothing that they sealed opens in this
// process any more, and a later reload does not bring them back.
func (m *Master) Forget(ids ...uint32) error {
	held := slices.DeleteFunc(slices.Clone(ids), func(id uint32) bool { return id == m.Primary() || !m.Keyset().Has(id) })
	if len(held) == 0 {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	set, err := m.Keyset().Without(held...)
	if err != nil {
		return err
	}
	m.gone = append(m.gone, held...)
	m.current.Store(set)
	return nil
}

// fetch reads the keys again because one is not here.
func (m *Master) fetch(id uint32) {
	if m.reload == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Keyset().Has(id) || slices.Contains(m.gone, id) || time.Since(m.missing[id]) < missingFor {
		return
	}
	set, err := m.reload()
	if err != nil || !set.Has(id) || m.put(set) != nil {
		if len(m.missing) > maxKeys {
			clear(m.missing)
		}
		m.missing[id] = time.Now()
	}
}

// String returns a fixed mask.
func (m *Master) String() string { return mask }

// GoString returns a fixed mask.
func (m *Master) GoString() string { return mask }

// Format writes a fixed mask for every verb.
func (m *Master) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText returns a fixed mask.
func (m *Master) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns a fixed mask.
func (m *Master) LogValue() slog.Value { return slog.StringValue(mask) }
