package codec

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/catalog"
)

const (
	formUsageV1 = 3
	nanosUnits  = 4
)

// Usage are the usage figures of one scan.
type Usage = map[catalog.Ref]catalog.Usage

// EncodeUsage writes usage column by column: one column of ids, one of views,
// and so on, because like compresses with like. With a base, only what differs
// from it is written. Nil and zero stay apart.
func (c *Codec) EncodeUsage(base, usage Usage) []byte {
	var gone, touched []catalog.Ref
	for ref := range base {
		if _, ok := usage[ref]; !ok {
			gone = append(gone, ref)
		}
	}
	for ref, u := range usage {
		if old, ok := base[ref]; !ok || !sameUsage(old, u) {
			touched = append(touched, ref)
		}
	}
	sortRefs(gone)
	sortRefs(touched)
	w := appendRefs(nil, gone)
	w = appendRefs(w, touched)
	pairs := make([]pair, len(touched))
	for i, ref := range touched {
		old, known := base[ref]
		pairs[i] = pair{old: old, now: usage[ref], known: known}
	}
	for _, col := range columns {
		w = col.encode(w, pairs)
	}
	return c.Compress([]byte{formUsageV1}, w)
}

// DecodeUsage reads what EncodeUsage wrote. base must be the one it was given;
// it is not changed.
func (c *Codec) DecodeUsage(base Usage, small []byte) (Usage, error) {
	if len(small) == 0 || small[0] != formUsageV1 {
		return nil, ErrDamaged
	}
	b, err := c.Expand(nil, small[1:])
	if err != nil {
		return nil, err
	}
	r := &reader{b: b}
	gone := r.refs()
	touched := r.refs()
	records := make([]catalog.Usage, len(touched))
	pointers := make([]*catalog.Usage, len(touched))
	for i, ref := range touched {
		records[i] = base[ref]
		pointers[i] = &records[i]
	}
	for _, col := range columns {
		col.decode(r, pointers)
	}
	if r.bad || len(r.b) > 0 {
		return nil, ErrDamaged
	}
	usage := make(Usage, len(base)+len(touched))
	maps.Copy(usage, base)
	for _, ref := range gone {
		delete(usage, ref)
	}
	for i, ref := range touched {
		usage[ref] = records[i]
	}
	return usage, nil
}

// pair is one asset's usage before and now.
type pair struct {
	old, now catalog.Usage
	known    bool // old exists
}

// column is one figure of all assets.
type column struct {
	same    func(a, b *catalog.Usage) bool
	present func(u *catalog.Usage) bool
	write   func(w []byte, records []*catalog.Usage) []byte
	read    func(r *reader, records []*catalog.Usage) // nil records are skipped
	clear   func(u *catalog.Usage)
}

func (col *column) encode(w []byte, pairs []pair) []byte {
	moved := make([]bool, len(pairs))
	for i := range pairs {
		// An asset without a base starts from nothing, so nothing is no move.
		moved[i] = !col.same(&pairs[i].old, &pairs[i].now)
	}
	w = appendBits(w, moved)
	var there []bool
	var values []*catalog.Usage
	for i := range pairs {
		if !moved[i] {
			continue
		}
		now := &pairs[i].now
		there = append(there, col.present(now))
		if col.present(now) {
			values = append(values, now)
		}
	}
	w = appendBits(w, there)
	if len(values) == 0 {
		return w
	}
	return col.write(w, values)
}

func (col *column) decode(r *reader, records []*catalog.Usage) {
	moved := r.bits(len(records))
	n := 0
	for _, m := range moved {
		if m {
			n++
		}
	}
	there := r.bits(n)
	var values []*catalog.Usage
	k := 0
	for i, m := range moved {
		if !m || r.bad {
			continue
		}
		if there[k] {
			values = append(values, records[i])
		} else if records[i] != nil {
			col.clear(records[i])
		}
		k++
	}
	if len(values) > 0 && !r.bad {
		col.read(r, values)
	}
}

func equal[T any](a, b *T, same func(T, T) bool) bool {
	return (a == nil) == (b == nil) && (a == nil || same(*a, *b))
}

func identical[T comparable](a, b T) bool { return a == b }

func sameFloat(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

func sameUsage(a, b catalog.Usage) bool {
	for _, col := range columns {
		if !col.same(&a, &b) {
			return false
		}
	}
	return true
}

// columns are the figures in stored order. A new figure is added at the end,
// under a new form.
var columns = []*column{
	{ // views
		same:    func(a, b *catalog.Usage) bool { return equal(a.Views, b.Views, identical[int64]) },
		present: func(u *catalog.Usage) bool { return u.Views != nil },
		clear:   func(u *catalog.Usage) { u.Views = nil },
		write: func(w []byte, us []*catalog.Usage) []byte {
			for _, u := range us {
				w = binary.AppendVarint(w, *u.Views)
			}
			return w
		},
		read: func(r *reader, us []*catalog.Usage) {
			for _, u := range us {
				if n := r.varint(); u != nil {
					u.Views = &n
				}
			}
		},
	},
	{ // own reads
		same:    func(a, b *catalog.Usage) bool { return a.OwnReads == b.OwnReads },
		present: func(u *catalog.Usage) bool { return u.OwnReads != 0 },
		clear:   func(u *catalog.Usage) { u.OwnReads = 0 },
		write: func(w []byte, us []*catalog.Usage) []byte {
			for _, u := range us {
				w = binary.AppendVarint(w, u.OwnReads)
			}
			return w
		},
		read: func(r *reader, us []*catalog.Usage) {
			for _, u := range us {
				if n := r.varint(); u != nil {
					u.OwnReads = n
				}
			}
		},
	},
	timeColumn(func(u *catalog.Usage) **time.Time { return &u.LastUsedAt }),
	timeColumn(func(u *catalog.Usage) **time.Time { return &u.UpdatedAt }),
	{ // average query time
		same: func(a, b *catalog.Usage) bool {
			return equal(a.AverageQueryMillis, b.AverageQueryMillis, sameFloat)
		},
		present: func(u *catalog.Usage) bool { return u.AverageQueryMillis != nil },
		clear:   func(u *catalog.Usage) { u.AverageQueryMillis = nil },
		write: func(w []byte, us []*catalog.Usage) []byte {
			for _, u := range us {
				w = binary.LittleEndian.AppendUint64(w, math.Float64bits(*u.AverageQueryMillis))
			}
			return w
		},
		read: func(r *reader, us []*catalog.Usage) {
			for _, u := range us {
				if n := r.uint64(); u != nil {
					u.AverageQueryMillis = new(math.Float64frombits(n))
				}
			}
		},
	},
	{ // dashboards that show it
		same:    func(a, b *catalog.Usage) bool { return equal(a.DashboardCount, b.DashboardCount, identical[int]) },
		present: func(u *catalog.Usage) bool { return u.DashboardCount != nil },
		clear:   func(u *catalog.Usage) { u.DashboardCount = nil },
		write: func(w []byte, us []*catalog.Usage) []byte {
			for _, u := range us {
				w = binary.AppendVarint(w, int64(*u.DashboardCount))
			}
			return w
		},
		read: func(r *reader, us []*catalog.Usage) {
			for _, u := range us {
				if n := r.varint(); u != nil {
					u.DashboardCount = new(int(n))
				}
			}
		},
	},
	{ // contaminated: its presence is its value
		same:    func(a, b *catalog.Usage) bool { return a.Contaminated == b.Contaminated },
		present: func(u *catalog.Usage) bool { return u.Contaminated },
		clear:   func(u *catalog.Usage) { u.Contaminated = false },
		write:   func(w []byte, _ []*catalog.Usage) []byte { return w },
		read: func(_ *reader, us []*catalog.Usage) {
			for _, u := range us {
				if u != nil {
					u.Contaminated = true
				}
			}
		},
	},
}

// timeColumn stores whole seconds above the earliest, then the fractions in the
// coarsest unit that loses nothing.
func timeColumn(field func(*catalog.Usage) **time.Time) *column {
	return &column{
		same: func(a, b *catalog.Usage) bool {
			return equal(*field(a), *field(b), time.Time.Equal)
		},
		present: func(u *catalog.Usage) bool { return *field(u) != nil },
		clear:   func(u *catalog.Usage) { *field(u) = nil },
		write: func(w []byte, us []*catalog.Usage) []byte {
			first := int64(math.MaxInt64)
			unit := 0
			for _, u := range us {
				t := *field(u)
				first = min(first, t.Unix())
				for unit < nanosUnits-1 && t.Nanosecond()%unitNanos[unit] != 0 {
					unit++
				}
			}
			w = binary.AppendVarint(w, first)
			w = append(w, byte(unit))
			for _, u := range us {
				w = binary.AppendUvarint(w, uint64((*field(u)).Unix()-first))
			}
			if unit == 0 {
				return w
			}
			for _, u := range us {
				w = binary.AppendUvarint(w, uint64((*field(u)).Nanosecond()/unitNanos[unit]))
			}
			return w
		},
		read: func(r *reader, us []*catalog.Usage) {
			first, unit := r.varint(), int(r.byte())
			if unit >= nanosUnits {
				r.bad = true
				return
			}
			seconds := make([]int64, len(us))
			for i := range us {
				seconds[i] = first + int64(r.uvarint())
			}
			for i, u := range us {
				var nanos int64
				if unit > 0 {
					nanos = int64(r.uvarint()) * int64(unitNanos[unit])
				}
				if u != nil {
					*field(u) = new(time.Unix(seconds[i], nanos).UTC())
				}
			}
		},
	}
}

var unitNanos = [nanosUnits]int{1_000_000_000, 1_000_000, 1_000, 1}

// number returns the value of an id that is a plain decimal number.
func number(id string) (uint64, bool) {
	if id == "" || len(id) > 19 || (id[0] == '0' && len(id) > 1) || id[0] < '0' || id[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(id, 10, 64)
	return n, err == nil
}

// sortRefs orders by kind, then plain numbers by value, then texts.
func sortRefs(refs []catalog.Ref) {
	slices.SortFunc(refs, func(a, b catalog.Ref) int {
		if c := cmp.Compare(a.Kind, b.Kind); c != 0 {
			return c
		}
		an, aok := number(a.ID)
		bn, bok := number(b.ID)
		switch {
		case aok && bok:
			return cmp.Compare(an, bn)
		case aok:
			return -1
		case bok:
			return 1
		}
		return cmp.Compare(a.ID, b.ID)
	})
}

// appendRefs writes sorted references: per kind the numbers as steps, then the
// texts.
func appendRefs(w []byte, refs []catalog.Ref) []byte {
	w = binary.AppendUvarint(w, uint64(len(refs)))
	for i := 0; i < len(refs); {
		kind := refs[i].Kind
		end, numbers := i, 0
		for ; end < len(refs) && refs[end].Kind == kind; end++ {
			if _, ok := number(refs[end].ID); ok {
				numbers++
			}
		}
		w = appendText(w, string(kind))
		w = binary.AppendUvarint(w, uint64(numbers))
		w = binary.AppendUvarint(w, uint64(end-i-numbers))
		var last uint64
		for _, ref := range refs[i : i+numbers] {
			n, _ := number(ref.ID)
			w = binary.AppendUvarint(w, n-last)
			last = n
		}
		for _, ref := range refs[i+numbers : end] {
			w = appendText(w, ref.ID)
		}
		i = end
	}
	return w
}

func appendText(w []byte, s string) []byte {
	w = binary.AppendUvarint(w, uint64(len(s)))
	return append(w, s...)
}

// appendBits writes flags: one byte when all are alike, else a bit each.
func appendBits(w []byte, flags []bool) []byte {
	set := 0
	for _, f := range flags {
		if f {
			set++
		}
	}
	switch set {
	case 0:
		return append(w, 0)
	case len(flags):
		return append(w, 1)
	}
	w = append(w, 2)
	start := len(w)
	w = append(w, make([]byte, (len(flags)+7)/8)...)
	for i, f := range flags {
		if f {
			w[start+i/8] |= 1 << (i % 8)
		}
	}
	return w
}

// LookUpUsage reads the usage of one asset out of what EncodeUsage wrote. was is
// its usage in the base, known whether the base has it.
func (c *Codec) LookUpUsage(was catalog.Usage, known bool, small []byte, ref catalog.Ref) (usage catalog.Usage, ok bool, err error) {
	if len(small) == 0 || small[0] != formUsageV1 {
		return catalog.Usage{}, false, ErrDamaged
	}
	b, err := c.Expand(nil, small[1:])
	if err != nil {
		return catalog.Usage{}, false, err
	}
	r := &reader{b: b}
	if at, _ := r.find(ref); at >= 0 {
		return catalog.Usage{}, false, nil
	}
	at, total := r.find(ref)
	switch {
	case r.bad:
		return catalog.Usage{}, false, ErrDamaged
	case at < 0:
		return was, known, nil
	}
	records := make([]*catalog.Usage, total)
	records[at] = &was
	for _, col := range columns {
		col.decode(r, records)
	}
	if r.bad {
		return catalog.Usage{}, false, ErrDamaged
	}
	return was, true, nil
}
