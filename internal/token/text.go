package token

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"regexp"
	"strings"

	"github.com/metalens/metalens/internal/secret"
)

// Prefix begins every token, so that scanners for leaked secrets know it.
const Prefix = "mlp_"

// Pattern is what a token looks like, for scanners of leaked secrets.
const Pattern = `mlp_[a-z2-7]{13}_[A-Z2-7]{52}_[0-9a-f]{8}`

var form = regexp.MustCompile(`^` + Pattern + `$`)

// generate makes the parts of a new token: an id that is no secret, and 260
// random bits that are.
func generate() (id, hidden string) {
	return strings.ToLower(rand.Text()[:13]), rand.Text() + rand.Text()
}

// format writes a token as its holder sees it. The checksum lets a scanner, and
// us, tell a token from a text that only looks like one.
func format(id, hidden string) secret.Value {
	head := Prefix + id + "_" + hidden
	return secret.New(head + "_" + checksum(head))
}

func checksum(head string) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE([]byte(head))) }

// parse takes a token apart; ok is false for anything that no token can be.
func parse(text secret.Value) (id, hidden string, ok bool) {
	plain := text.Expose()
	if len(plain) > 200 || !form.MatchString(plain) {
		return "", "", false
	}
	parts := strings.Split(plain, "_")
	if checksum(strings.Join(parts[:3], "_")) != parts[3] {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// digest is what is kept of a token. The secret has 260 random bits, so that a
// fast hash suffices.
func digest(id, hidden string) []byte {
	sum := sha256.Sum256([]byte("metalens access token\x00" + id + "\x00" + hidden))
	return sum[:]
}
