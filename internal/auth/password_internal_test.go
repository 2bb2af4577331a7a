package auth

import (
	"strings"
	"testing"

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
