package codec_test

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/store/codec"
)

func TestCompressRoundTrip(t *testing.T) {
	c := codec.New()
	defer c.Close()
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOf(rapid.Byte()).Draw(t, "content")
		small := c.Compress([]byte("x"), content)
		if small[0] != 'x' {
			t.Fatal("dst was lost")
		}
		if len(small) > len(content)+2 {
			t.Fatalf("grew from %d to %d", len(content), len(small)-1)
		}
		back, err := c.Expand(nil, small[1:])
		if err != nil || !bytes.Equal(back, content) {
			t.Fatalf("got %q, %v", back, err)
		}
	})
}

func TestPatchRoundTrip(t *testing.T) {
	c := codec.New()
	defer c.Close()
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"SELECT a, b FROM orders ", "WHERE status = 'paid' ", "\"name\":\"Revenue\",", "x", "JOIN customers ON customers.id = orders.customer_id "})
		join := func(label string) []byte {
			var b []byte
			for _, p := range rapid.SliceOfN(piece, 0, 12).Draw(t, label) {
				b = append(b, p...)
			}
			return append(b, rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(t, label+" tail")...)
		}
		base, target := join("base"), join("target")
		patch := c.Patch(base, target)
		if !codec.IsPatch(patch) {
			t.Fatal("a patch is not recognised")
		}
		back, err := c.Apply(base, patch)
		if err != nil || !bytes.Equal(back, target) {
			t.Fatalf("got %q, %v, want %q", back, err, target)
		}
	})
}

func TestPatchOfASmallEditIsSmall(t *testing.T) {
	c := codec.New()
	defer c.Close()
	base := bytes.Repeat([]byte("SELECT o.id, o.total FROM orders o JOIN customers c ON c.id = o.customer_id\n"), 1)
	for i := range 60 {
		base = append(base, []byte("WHERE region = "+string(rune('a'+i%26))+" AND amount > "+string(rune('0'+i%10))+"\n")...)
	}
	target := bytes.Replace(base, []byte("o.total"), []byte("o.net_total"), 1)
	target = append(target, "ORDER BY 1"...)
	if n := len(c.Patch(base, target)); n > 60 {
		t.Errorf("two small edits took %d bytes", n)
	}
}

func TestDamagedContentIsRefused(t *testing.T) {
	c := codec.New()
	defer c.Close()
	text := bytes.Repeat([]byte("SELECT 1 FROM t "), 20)
	views := int64(3)
	usage := c.EncodeUsage(nil, codec.Usage{{Kind: catalog.KindQuestion, ID: "1"}: {Views: &views}})
	rapid.Check(t, func(t *rapid.T) {
		small := bytes.Clone(rapid.SampledFrom([][]byte{c.Compress(nil, text), c.Patch(text, text[4:]), usage}).Draw(t, "which"))
		if rapid.Bool().Draw(t, "cut") {
			small = small[:rapid.IntRange(0, len(small)-1).Draw(t, "at")]
		} else {
			small[rapid.IntRange(0, len(small)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		}
		// None may panic; whatever is refused is refused as damaged.
		_, e1 := c.Expand(nil, small)
		_, e2 := c.Apply(text, small)
		_, e3 := c.DecodeUsage(nil, small)
		for _, err := range []error{e1, e2, e3} {
			if err != nil && !errors.Is(err, codec.ErrDamaged) {
				t.Fatalf("got %v", err)
			}
		}
	})
}

func usageGen() *rapid.Generator[codec.Usage] {
	ref := rapid.Custom(func(t *rapid.T) catalog.Ref {
		return catalog.Ref{
			Kind: rapid.SampledFrom([]catalog.Kind{catalog.KindQuestion, catalog.KindDashboard, catalog.KindTable}).Draw(t, "kind"),
			ID:   rapid.OneOf(rapid.SampledFrom([]string{"1", "2", "007", "0", "18446744073709551616", "3/public/orders", "", "é"}), rapid.StringMatching(`[1-9][0-9]{0,5}`)).Draw(t, "id"),
		}
	})
	instant := rapid.Custom(func(t *rapid.T) time.Time {
		if rapid.IntRange(0, 9).Draw(t, "zero") == 0 {
			return time.Time{}
		}
		unit := rapid.SampledFrom([]int64{1, 1000, 1_000_000, 1_000_000_000}).Draw(t, "unit")
		return time.Unix(rapid.Int64Range(-1e9, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1_000_000_000/unit-1).Draw(t, "f")*unit).UTC()
	})
	one := rapid.Custom(func(t *rapid.T) catalog.Usage {
		return catalog.Usage{
			Views:              rapid.Ptr(rapid.Int64(), true).Draw(t, "views"),
			OwnReads:           rapid.Int64Range(0, 3).Draw(t, "own"),
			LastUsedAt:         rapid.Ptr(instant, true).Draw(t, "used"),
			UpdatedAt:          rapid.Ptr(instant, true).Draw(t, "updated"),
			AverageQueryMillis: rapid.Ptr(rapid.SampledFrom([]float64{0, 1.5, -2, math.MaxFloat64}), true).Draw(t, "ms"),
			DashboardCount:     rapid.Ptr(rapid.IntRange(0, 4), true).Draw(t, "dashboards"),
			Contaminated:       rapid.Bool().Draw(t, "contaminated"),
		}
	})
	return rapid.MapOfN(ref, one, 0, 12)
}

func TestUsageRoundTrip(t *testing.T) {
	c := codec.New()
	defer c.Close()
	rapid.Check(t, func(t *rapid.T) {
		base := usageGen().Draw(t, "base")
		next := usageGen().Draw(t, "next")
		for ref, u := range base {
			if rapid.Bool().Draw(t, "keep") {
				if rapid.Bool().Draw(t, "touch") {
					u.OwnReads++
					u.Views = nil
				}
				next[ref] = u
			}
		}
		before := len(base)
		for _, b := range []codec.Usage{nil, base} {
			got, err := c.DecodeUsage(b, c.EncodeUsage(b, next))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(next, got); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
		}
		for ref := range base {
			next[catalog.Ref{Kind: ref.Kind, ID: ref.ID + "0"}] = catalog.Usage{OwnReads: 1}
		}
		small := c.EncodeUsage(base, next)
		all := []catalog.Ref{{Kind: "none", ID: "1"}}
		for ref := range base {
			all = append(all, ref)
		}
		for ref := range next {
			all = append(all, ref)
		}
		for _, ref := range all {
			was, known := base[ref]
			got, ok, err := c.LookUpUsage(was, known, small, ref)
			want, there := next[ref]
			if err != nil || ok != there || !cmp.Equal(want, got) {
				t.Fatalf("%v: got %+v, %v, %v, want %+v, %v", ref, got, ok, err, want, there)
			}
		}
		if len(base) != before {
			t.Fatal("the base was changed")
		}
	})
}

func TestUsageEncodingIsDeterministic(t *testing.T) {
	c := codec.New()
	defer c.Close()
	rapid.Check(t, func(t *rapid.T) {
		u := usageGen().Draw(t, "usage")
		if !bytes.Equal(c.EncodeUsage(nil, u), c.EncodeUsage(nil, u)) {
			t.Fatal("two encodings differ")
		}
	})
}
