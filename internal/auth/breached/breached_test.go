package breached_test

import (
	"math/rand/v2"
	"testing"

	"github.com/metalens/metalens/internal/auth/breached"
)

func TestListedPasswordsAreKnown(t *testing.T) {
	for _, p := range []string{
		"password", "PassWord", "iloveyou", "1q2w3e4r5t", "qwertyuiop", "sunshine", "trustno1", "football1", "123456789012",
		"1qaz2wsx3edc", "spongebob1", "metallica", "mississippi",
	} {
		if !breached.Known(p) {
			t.Errorf("%q is not known", p)
		}
	}
	for _, p := range []string{"", "qwerty", "brisk otter paints maps", "a long enough passphrase 9", "vq8-Lk2_wTz0pYc"} {
		if breached.Known(p) {
			t.Errorf("%q is known", p)
		}
	}
}

// TestSizeAndFalseAlarms holds the figures of the package's documentation.
func TestSizeAndFalseAlarms(t *testing.T) {
	if n := breached.Size(); n < 470_000 {
		t.Errorf("%d passwords", n)
	}
	r := rand.New(rand.NewPCG(1, 2))
	const tries = 500_000
	alarms := 0
	for range tries {
		p := make([]byte, 16)
		for i := range p {
			p[i] = byte('!' + r.IntN(94))
		}
		if breached.Known(string(p)) {
			alarms++
		}
	}
	// 2 hashes in a bucket, 16 bits each: 1 in 36,000, 14 of these.
	if alarms > 40 {
		t.Errorf("%d false alarms in %d", alarms, tries)
	}
	t.Logf("%d passwords, %d false alarms in %d", breached.Size(), alarms, tries)
}

func TestPackedListsAreReadBack(t *testing.T) {
	if _, err := breached.Pack([]string{"a", "long enough", "\xff\xff\xff\xff\xff\xff\xff\xff"}); err != nil {
		t.Error(err)
	}
}
