package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// HashParams are the costs of argon2id.
type HashParams struct {
	MemoryKiB uint32
	Time      uint32
	Threads   uint8
}

// DefaultHashParams cost about 50 ms and 64 MiB per login.
var DefaultHashParams = HashParams{MemoryKiB: 64 * 1024, Time: 2, Threads: 1}

const (
	saltLen = 16
	keyLen  = 32
	// maxParallel bounds the memory that logins can claim at once.
	maxParallel = 2
	// maxWaiting bounds how many may wait for their turn; more are sent away.
	maxWaiting = 64
	// maxPassword keeps hashing linear in something sane.
	maxPassword = 512
)

type hasher struct {
	params  HashParams
	slots   chan struct{}
	waiting atomic.Int64
	dummy   string
}

func newHasher(p HashParams) (*hasher, error) {
	if p.MemoryKiB < 8 || p.Time < 1 || p.Threads < 1 {
		return nil, errors.New("auth: argon2id costs are too small")
	}
	h := &hasher{params: p, slots: make(chan struct{}, maxParallel)}
	dummy, err := h.hash(context.Background(), secret.New("no account has this password"))
	if err != nil {
		return nil, err
	}
	h.dummy = dummy
	return h, nil
}

func (h *hasher) enter(ctx context.Context) error {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxWaiting {
		return errs.Wrap(&ThrottledError{RetryAfter: 5 * time.Second}, errs.Limited, "busy", "Too many logins are being checked at once.", "Try again in a few seconds.")
	}
	select {
	case h.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for a hashing slot: %w", ctx.Err())
	}
}

// hash returns the PHC text of a password under a fresh salt.
func (h *hasher) hash(ctx context.Context, password secret.Value) (string, error) {
	if err := h.enter(ctx); err != nil {
		return "", err
	}
	defer func() { <-h.slots }()
	salt := make([]byte, saltLen)
	_, _ = rand.Read(salt) // never fails, see crypto/rand
	key := argon2.IDKey([]byte(password.Expose()), salt, h.params.Time, h.params.MemoryKiB, h.params.Threads, keyLen)
	return phc(h.params, salt, key), nil
}

// verify reports whether a password is the one of a PHC text.
func (h *hasher) verify(ctx context.Context, text string, password secret.Value) (bool, error) {
	p, salt, want, err := parsePHC(text)
	if err != nil {
		return false, err
	}
	if len(password.Expose()) > maxPassword {
		return false, nil
	}
	if err := h.enter(ctx); err != nil {
		return false, err
	}
	defer func() { <-h.slots }()
	got := argon2.IDKey([]byte(password.Expose()), salt, p.Time, p.MemoryKiB, p.Threads, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}

// outdated reports whether a PHC text was made with other costs than today's.
func (h *hasher) outdated(text string) bool {
	p, _, _, err := parsePHC(text)
	return err == nil && p != h.params
}

var b64 = base64.RawStdEncoding

func phc(p HashParams, salt, key []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.MemoryKiB, p.Time, p.Threads, b64.EncodeToString(salt), b64.EncodeToString(key))
}

// parsePHC takes a PHC text apart. It refuses costs that would stall the server,
// so that a tampered row cannot.
func parsePHC(text string) (p HashParams, salt, key []byte, err error) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, errors.New("auth: stored password hash is not argon2id")
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Time, &p.Threads); err != nil {
		return p, nil, nil, fmt.Errorf("auth: stored password hash: %w", err)
	}
	if p.MemoryKiB > 1<<20 || p.Time == 0 || p.Time > 20 || p.Threads == 0 || p.Threads > 16 {
		return p, nil, nil, errors.New("auth: stored password hash has absurd costs")
	}
	if salt, err = b64.DecodeString(parts[4]); err != nil {
		return p, nil, nil, fmt.Errorf("auth: stored password hash: %w", err)
	}
	if key, err = b64.DecodeString(parts[5]); err != nil {
		return p, nil, nil, fmt.Errorf("auth: stored password hash: %w", err)
	}
	if len(salt) < 8 || len(key) < 16 || len(key) > 128 {
		return p, nil, nil, errors.New("auth: stored password hash has an absurd length")
	}
	return p, salt, key, nil
}
