// Package secret holds values that must never be printed.
//
// fmt does not call methods on unexported fields, so a named string with a
// masking String method still prints in clear inside a struct. A [Value] keeps
// its text in a closure: every formatter prints a fixed mask or an address.
package secret

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"log/slog"
)

const mask = "[secret]"

// Value is a secret text. The zero Value is empty. It cannot be compared with
// ==; use [Value.Equal].
type Value struct {
	_      [0]func() // incomparable
	expose func() string
}

// New wraps a text.
func New(text string) Value {
	if text == "" {
		return Value{}
	}
	return Value{expose: func() string { return text }}
}

// Expose returns the text. Its callers are listed and checked by the
// architecture test: transports, driver openers, the vault.
func (v Value) Expose() string {
	if v.expose == nil {
		return ""
	}
	return v.expose()
}

// Fingerprint is ten hexadecimal digits that tell credentials apart in records:
// the same for the same text under the same key, useless for guessing the text to
// whoever lacks the key. It is empty for an empty value.
func (v Value) Fingerprint(key []byte) string {
	if v.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("metalens credential\x00" + v.Expose()))
	return hex.EncodeToString(mac.Sum(nil)[:5])
}

// IsZero reports whether the value is empty.
func (v Value) IsZero() bool { return v.expose == nil }

// Equal compares in constant time for texts of equal length.
func (v Value) Equal(other Value) bool {
	return subtle.ConstantTimeCompare([]byte(v.Expose()), []byte(other.Expose())) == 1
}

// String returns a fixed mask.
func (v Value) String() string { return mask }

// GoString returns a fixed mask.
func (v Value) GoString() string { return mask }

// Format writes a fixed mask for every verb.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText returns a fixed mask, so that JSON and YAML never carry the text.
func (v Value) MarshalText() ([]byte, error) { return []byte(mask), nil }

// LogValue returns a fixed mask.
func (v Value) LogValue() slog.Value { return slog.StringValue(mask) }

// UnmarshalText takes a text in, so that configuration decoders can fill it.
func (v *Value) UnmarshalText(text []byte) error {
	*v = New(string(text))
	return nil
}
