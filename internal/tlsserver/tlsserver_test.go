package tlsserver_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/tlsserver"
)

var today = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)

// write makes a self-signed certificate for a name with a life in days.
func write(t *testing.T, dir, name string, days int) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: today.Add(-24 * time.Hour), NotAfter: today.Add(time.Duration(days) * 24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func files(t *testing.T, cert, key string) (*tlsserver.Server, error) {
	t.Helper()
	return tlsserver.New(tlsserver.Config{CertFile: cert, KeyFile: key, Now: func() time.Time { return today }})
}

// shake connects with a range of versions and returns the name of the
// certificate that was shown.
func shake(t *testing.T, s *tlsserver.Server, minimum, maximum uint16) (name string, version uint16, err error) {
	t.Helper()
	near, far := net.Pipe()
	defer func() { _ = near.Close() }()
	go func() {
		conn := tls.Server(far, s.TLSConfig())
		_ = conn.HandshakeContext(t.Context())
		_ = far.Close()
	}()
	client := tls.Client(near, &tls.Config{ServerName: "a.example", InsecureSkipVerify: true, MinVersion: minimum, MaxVersion: maximum})
	if err := client.HandshakeContext(t.Context()); err != nil {
		return "", 0, err
	}
	state := client.ConnectionState()
	return state.PeerCertificates[0].DNSNames[0], state.Version, nil
}

func TestOnlyTLS13(t *testing.T) {
	cert, key := write(t, t.TempDir(), "a.example", 90)
	s, err := files(t, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	if _, version, err := shake(t, s, tls.VersionTLS12, tls.VersionTLS13); err != nil || version != tls.VersionTLS13 {
		t.Errorf("%x %v", version, err)
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12} {
		if _, _, err := shake(t, s, version, version); err == nil {
			t.Errorf("%s was accepted", tls.VersionName(version))
		}
	}
}

// TestFilesAreReadAgain changes the files under a running server: the next
// handshake shows the new certificate, an open connection goes on, and a pair
// that does not fit leaves the old one.
func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "a.example", 90)
	s, err := files(t, cert, key)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	open := tls.Client(near, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	go func() {
		conn := tls.Server(far, s.TLSConfig())
		buf := make([]byte, 4)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			_, _ = conn.Write(buf[:n])
		}
	}()
	defer func() { _ = near.Close() }()
	echo := func() {
		t.Helper()
		if _, err := open.Write([]byte("ping")); err != nil {
			t.Fatal(err)
		}
		if _, err := open.Read(make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
	}
	echo()

	write(t, dir, "b.example", 60)
	if err := s.Reload(); err != nil {
		t.Fatal(err)
	}
	if name, _, err := shake(t, s, tls.VersionTLS13, tls.VersionTLS13); err != nil || name != "b.example" {
		t.Errorf("%s %v", name, err)
	}
	echo()
	if got := s.Status(); got.NotAfter != today.Add(60*24*time.Hour) || got.Problem != "" {
		t.Errorf("%+v", got)
	}

	if err := os.WriteFile(cert, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(); errs.KindOf(err) != errs.Invalid {
		t.Errorf("%v", err)
	}
	if name, _, err := shake(t, s, tls.VersionTLS13, tls.VersionTLS13); err != nil || name != "b.example" {
		t.Errorf("%s %v: the certificate before must stay", name, err)
	}
	if w := s.Status().Warning(today); !strings.Contains(w, "could not be renewed") {
		t.Errorf("%q", w)
	}
	echo()
}

// TestChangesAreSeen lets the server look at its files by itself, as it does
// every few seconds, and write what it finds to the log.
func TestChangesAreSeen(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "a.example", 365)
	var log bytes.Buffer
	changed := make(chan struct{}, 8)
	s, err := tlsserver.New(tlsserver.Config{
		CertFile: cert, KeyFile: key, Poll: time.Millisecond, Now: func() time.Time { return today.AddDate(0, 0, 80) },
		Logger: slog.New(slog.NewTextHandler(writer(func(p []byte) (int, error) {
			defer func() { changed <- struct{}{} }()
			return log.Write(p)
		}), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); s.Run(t.Context()) }()
	write(t, dir, "b.example", 90)
	for range 2 { // read again, and warned of: ten days of it are left
		<-changed
	}
	if name, _, err := shake(t, s, tls.VersionTLS13, tls.VersionTLS13); err != nil || name != "b.example" {
		t.Errorf("%s %v", name, err)
	}
}

type writer func(p []byte) (int, error)

func (w writer) Write(p []byte) (int, error) { return w(p) }

func TestFilesThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	cert, key := write(t, dir, "a.example", 90)
	_, other := write(t, t.TempDir(), "a.example", 90)
	expired, expiredKey := write(t, t.TempDir(), "a.example", 0)
	if err := os.Chmod(key, 0o604); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ cert, key, want string }{
		"missing":  {filepath.Join(dir, "none"), other, "there is no such file"},
		"readable": {cert, key, "Everybody on this machine"},
		"mismatch": {cert, other, "cannot be used together"},
		"expired":  {expired, expiredKey, "expired on"},
	} {
		s, err := tlsserver.New(tlsserver.Config{CertFile: c.cert, KeyFile: c.key, Now: func() time.Time { return today.Add(time.Hour) }})
		text, hint := errs.PublicText(err)
		if s != nil || errs.KindOf(err) != errs.Invalid || !strings.Contains(text, c.want) || hint == "" {
			t.Errorf("%s: %v, hint %q", name, err, hint)
		}
	}
}

func TestWarnings(t *testing.T) {
	day := 24 * time.Hour
	for _, c := range []struct {
		mode    string
		life    time.Duration
		left    time.Duration
		problem string
		want    string
	}{
		{"files", 365 * day, 30 * day, "", ""},
		{"files", 365 * day, 20 * day, "", "in 20 days"},
		{"files", 6 * day, 3 * day, "", ""},
		{"files", 6 * day, day + time.Hour, "", "in 1 day."},
		{"files", 90 * day, -time.Hour, "", "expired on"},
		{"acme", 90 * day, 25 * day, "", ""},
		{"acme", 90 * day, 20 * day, "", "in 20 days"},
		{"acme", 6 * day, 25 * time.Hour, "", "in 1 day."},
		{"acme", 6 * day, 40 * time.Hour, "", ""},
		{"acme", 90 * day, 80 * day, "no answer", "could not be renewed: no answer"},
	} {
		s := tlsserver.Status{Mode: c.mode, NotBefore: today.Add(c.left - c.life), NotAfter: today.Add(c.left), Problem: c.problem}
		got := s.Warning(today)
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%+v: %q", c, got)
		}
		if s.Expired(today) != (c.left < 0) {
			t.Errorf("%+v: expired %v", c, s.Expired(today))
		}
	}
	none := tlsserver.Status{Mode: "acme", Problem: "no answer"}
	if got := none.Warning(today); !strings.Contains(got, "no certificate yet") {
		t.Error(got)
	}
}

func TestSealedDir(t *testing.T) {
	mine, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "acme")
	c, err := tlsserver.NewSealedDir(dir, mine)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	name := "../../etc/passwd+key"
	if _, err := c.Get(ctx, name); !errors.Is(err, tlsserver.ErrCacheMiss) {
		t.Errorf("%v", err)
	}
	if err := errors.Join(c.Put(ctx, name, []byte("old")), c.Put(ctx, name, []byte("PRIVATE KEY canary")), c.Put(ctx, "b", []byte("other"))); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Get(ctx, name); err != nil || string(got) != "PRIVATE KEY canary" {
		t.Errorf("%q %v", got, err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	for _, f := range list {
		info, err := f.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info.Mode(), err)
		}
		if raw, err := os.ReadFile(filepath.Join(dir, f.Name())); err != nil || bytes.Contains(raw, []byte("canary")) {
			t.Error("a private key lies in the clear", err)
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Error(info.Mode(), err)
	}
	// Another key opens nothing, and an entry does not open under another name.
	stranger, err := tlsserver.NewSealedDir(dir, theirs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stranger.Get(ctx, name); !errors.Is(err, tlsserver.ErrCacheMiss) {
		t.Errorf("%v", err)
	}
	if err := os.Rename(filepath.Join(dir, list[0].Name()), filepath.Join(dir, list[1].Name())); err != nil {
		t.Fatal(err)
	}
	for _, n := range []string{name, "b"} {
		if got, err := c.Get(ctx, n); err == nil {
			t.Errorf("%s opened as %q", n, got)
		}
	}
	if err := errors.Join(c.Delete(ctx, "b"), c.Delete(ctx, "b")); err != nil {
		t.Error(err)
	}
}

func TestACMEIsAskedForTerms(t *testing.T) {
	if _, err := tlsserver.New(tlsserver.Config{ACME: &tlsserver.ACME{Hosts: []string{"a.example"}}}); err == nil {
		t.Error("an authority without cache and client was accepted")
	}
}
