package auth

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

func TestHashRoundTrip(t *testing.T) {
	h, err := newHasher(HashParams{MemoryKiB: 64, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	one, err := h.hash(t.Context(), secret.New("a password"))
	if err != nil {
		t.Fatal(err)
	}
	two, err := h.hash(t.Context(), secret.New("a password"))
	if err != nil {
		t.Fatal(err)
	}
	if one == two {
		t.Error("two hashes share a salt")
	}
	for password, want := range map[string]bool{"a password": true, "another": false, "": false} {
		if got, err := h.verify(t.Context(), one, secret.New(password)); err != nil || got != want {
			t.Errorf("verify %q = %v, %v", password, got, err)
		}
	}
	if h.outdated(one) {
		t.Error("a fresh hash is outdated")
	}
	stronger, err := newHasher(HashParams{MemoryKiB: 128, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	if !stronger.outdated(one) {
		t.Error("a weaker hash is not outdated")
	}
}

func TestStoredHashIsChecked(t *testing.T) {
	good := "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$" + strings.Repeat("A", 43)
	if _, _, _, err := parsePHC(good); err != nil {
		t.Fatalf("a good hash: %v", err)
	}
	for _, bad := range []string{
		"", "plain", "$argon2i$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA", "$argon2id$v=16$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA",
		strings.Replace(good, "m=64", "m=99999999", 1), strings.Replace(good, "t=1", "t=0", 1), strings.Replace(good, "t=1", "t=99", 1),
		strings.Replace(good, "p=1", "p=0", 1), strings.Replace(good, "c2FsdHNhbHRzYWx0c2FsdA", "!", 1), "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA",
	} {
		if _, _, _, err := parsePHC(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	if _, err := newHasher(HashParams{}); err == nil {
		t.Error("costs of zero were accepted")
	}
}

// TestFloodOfHashesIsSentAway: two are worked on, a bounded number wait, and
// whoever gives up makes room.
func TestFloodOfHashesIsSentAway(t *testing.T) {
	h, err := newHasher(HashParams{MemoryKiB: 64, Time: 1, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range maxParallel {
		h.slots <- struct{}{} // nobody gets a turn
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error, maxWaiting)
	for range maxWaiting {
		go func() { waiting <- h.enter(ctx) }()
	}
	for h.waiting.Load() < maxWaiting {
		runtime.Gosched()
	}
	if err := h.enter(ctx); errs.KindOf(err) != errs.Limited {
		t.Errorf("one more: %v", err)
	}
	cancel()
	for range maxWaiting {
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("waiting: %v", err)
		}
	}
	<-h.slots
	if err := h.enter(t.Context()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
