package keys_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
)

func generate(t *testing.T) *keys.Keyset {
	t.Helper()
	k, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestSealIsBoundToItsPlace(t *testing.T) {
	k, other := generate(t), generate(t)
	plain := []byte("SELECT 'secret'")
	sealed := k.Seal(plain, "org", "table", "row")
	if bytes.Contains(sealed, plain) || len(sealed) != len(plain)+keys.Overhead {
		t.Error("the text is readable or has an unexpected size")
	}
	if bytes.Equal(sealed, k.Seal(plain, "org", "table", "row")) {
		t.Error("sealing twice gives the same bytes")
	}
	got, err := k.Open(sealed, "org", "table", "row")
	if err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("got %q, %v", got, err)
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	renamed := bytes.Clone(sealed)
	renamed[4] ^= 1 // another key id
	for name, open := range map[string]func() ([]byte, error){
		"another row":      func() ([]byte, error) { return k.Open(sealed, "org", "table", "other") },
		"another table":    func() ([]byte, error) { return k.Open(sealed, "org", "other", "row") },
		"another org":      func() ([]byte, error) { return k.Open(sealed, "other", "table", "row") },
		"shifted parts":    func() ([]byte, error) { return k.Open(sealed, "orgt", "able", "row") },
		"fewer parts":      func() ([]byte, error) { return k.Open(sealed, "org", "tablerow") },
		"another key":      func() ([]byte, error) { return other.Open(sealed, "org", "table", "row") },
		"truncated":        func() ([]byte, error) { return k.Open(sealed[:len(sealed)-1], "org", "table", "row") },
		"header only":      func() ([]byte, error) { return k.Open(sealed[:5], "org", "table", "row") },
		"empty":            func() ([]byte, error) { return k.Open(nil, "org", "table", "row") },
		"damaged":          func() ([]byte, error) { return k.Open(flipped, "org", "table", "row") },
		"another key's id": func() ([]byte, error) { return k.Open(renamed, "org", "table", "row") },
	} {
		if _, err := open(); !errors.Is(err, keys.ErrOpen) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestRotation(t *testing.T) {
	old := generate(t)
	sealed := old.Seal([]byte("x"), "p")
	rotated, err := old.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if rotated.Primary() == old.Primary() || len(rotated.IDs()) != 2 {
		t.Errorf("ids %v after %v", rotated.IDs(), old.IDs())
	}
	if _, err := rotated.Open(sealed, "p"); err != nil {
		t.Errorf("the new set does not open what the old one sealed: %v", err)
	}
	fresh := rotated.Seal([]byte("x"), "p")
	if id, ok := keys.KeyID(fresh); !ok || id != rotated.Primary() {
		t.Errorf("sealed by key %d, %v", id, ok)
	}
	if _, err := old.Open(fresh, "p"); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("got %v", err)
	}
	if !bytes.Equal(old.Derive("x"), rotated.Derive("x")) || bytes.Equal(old.Derive("x"), old.Derive("y")) {
		t.Error("derived keys must survive rotation and differ by purpose")
	}
	if _, ok := keys.KeyID([]byte("short")); ok {
		t.Error("a text that is not sealed has a key id")
	}
}

func TestTextRoundTrip(t *testing.T) {
	k, err := generate(t).Rotate()
	if err != nil {
		t.Fatal(err)
	}
	again, err := keys.Parse(secret.New("# comment\n\n" + k.Text().Expose()))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(again.IDs()) != fmt.Sprint(k.IDs()) {
		t.Errorf("got %v, want %v", again.IDs(), k.IDs())
	}
	if _, err := again.Open(k.Seal([]byte("x"))); err != nil {
		t.Error(err)
	}
	line := strings.TrimSpace(strings.Split(k.Text().Expose(), "\n")[0])
	for name, text := range map[string]string{
		"empty": "", "comment": "# x", "words": "a b", "other tag": strings.Replace(line, "v1", "v9", 1), "id zero": "metalens-key-v1 0 AAAA",
		"id text": "metalens-key-v1 x AAAA", "short key": "metalens-key-v1 5 AAAA", "no base64": "metalens-key-v1 5 !!!!", "twice": line + "\n" + line,
	} {
		_, err := keys.Parse(secret.New(text))
		if errs.CodeOf(err) != "bad_key" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDataKeys(t *testing.T) {
	master := generate(t)
	d, wrapped, err := master.NewDataKey("org-a")
	if err != nil {
		t.Fatal(err)
	}
	sealed := d.Seal([]byte("x"), "table", "row")
	again, err := master.UnwrapDataKey("org-a", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := again.Open(sealed, "table", "row"); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
	if _, err := again.Open(sealed, "table", "other"); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("moved to another row: %v", err)
	}
	if !bytes.Equal(d.MAC("p", []byte("a"), []byte("b")), again.MAC("p", []byte("ab"))) || bytes.Equal(d.MAC("p", []byte("a")), d.MAC("q", []byte("a"))) {
		t.Error("hashes must be stable and differ by purpose")
	}
	hash := again.Hasher("p")
	for range 2 {
		if !bytes.Equal(hash(nil, []byte("ab")), d.MAC("p", []byte("ab"))) {
			t.Error("Hasher and MAC differ")
		}
	}
	if !d.Derive("mask").Equal(again.Derive("mask")) || d.Derive("mask").Equal(d.Derive("other")) {
		t.Error("derived keys must be stable and differ by purpose")
	}
	other, _, err := master.NewDataKey("org-b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(sealed, "table", "row"); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("another organization's key: %v", err)
	}
	if bytes.Equal(other.MAC("p", []byte("a")), d.MAC("p", []byte("a"))) {
		t.Error("two organizations hash alike")
	}
	if _, err := master.UnwrapDataKey("org-b", wrapped); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("unwrapped for another organization: %v", err)
	}
	if _, err := generate(t).UnwrapDataKey("org-a", wrapped); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("unwrapped by another master key: %v", err)
	}
	rotated, err := master.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	if again, err = rotated.UnwrapDataKey("org-a", rotated.WrapDataKey(d)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.MAC("p"), d.MAC("p")) {
		t.Error("rotating the master key changed the hashes")
	}
}

func TestNothingIsPrinted(t *testing.T) {
	k := generate(t)
	d, _, err := k.NewDataKey("org")
	if err != nil {
		t.Fatal(err)
	}
	key := strings.Fields(k.Text().Expose())[2]
	type holder struct {
		K *keys.Keyset
		D *keys.DataKey
		v keys.Keyset
		w keys.DataKey
	}
	h := holder{k, d, *k, *d}
	_, _ = h.v, h.w
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "h", h, "k", k, "d", d)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "h", h, "k", k, "d", d)
	asJSON, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	out := log.String() + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		out += fmt.Sprintf(verb+verb+verb, h, k, d)
	}
	decoded := fmt.Sprintf("%x", k.Text().Expose())
	if strings.Contains(out, key) || strings.Contains(out, key[:12]) || strings.Contains(out, decoded[:24]) {
		t.Errorf("a key was printed: %s", out)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path, database := filepath.Join(dir, "keys", "master.key"), filepath.Join(dir, "db", "metalens.db")
	_, err := keys.OpenFile(path, database)
	if errs.KindOf(err) != errs.NotFound {
		t.Errorf("without a file: %v", err)
	}
	var group sync.WaitGroup
	made := make([]*keys.Keyset, 8)
	for i := range made {
		group.Go(func() {
			k, err := keys.OpenOrCreateFile(path, database)
			if err != nil {
				t.Error(err)
				return
			}
			made[i] = k
		})
	}
	group.Wait()
	for _, k := range made {
		if k == nil || k.Primary() != made[0].Primary() {
			t.Fatal("two processes made two keys")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if info, err = os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "keys", ".key-*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	link := filepath.Join(dir, "keys", "link.key")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, path, database, code string
		mode, dirMode              os.FileMode
	}{
		{"as made", path, database, "", 0o600, 0o700},
		{"read-only", path, database, "", 0o400, 0o700},
		{"readable by the group", path, database, "key_permissions", 0o640, 0o700},
		{"readable by all", path, database, "key_permissions", 0o604, 0o700},
		{"folder writable by the group", path, database, "key_permissions", 0o600, 0o770},
		{"beside the database", path, filepath.Join(dir, "keys", "metalens.db"), "key_beside_database", 0o600, 0o700},
		{"a symbolic link", link, database, "bad_key", 0o600, 0o700},
	} {
		if err := errors.Join(os.Chmod(path, test.mode), os.Chmod(filepath.Dir(path), test.dirMode)); err != nil {
			t.Fatal(err)
		}
		_, err := keys.OpenFile(test.path, test.database)
		if (err == nil) != (test.code == "") || (err != nil && errs.CodeOf(err) != test.code) {
			t.Errorf("%s: got %v", test.name, err)
		}
		if _, hint := errs.PublicText(err); err != nil && hint == "" {
			t.Errorf("%s: no hint", test.name)
		}
	}
	if err := errors.Join(os.Chmod(path, 0o600), os.Chmod(filepath.Dir(path), 0o700)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.OpenFile(path, database); errs.CodeOf(err) != "key_owner" {
			t.Errorf("another user's file: %v", err)
		}
	}
}

func TestOtherSources(t *testing.T) {
	k := generate(t)
	path := filepath.Join(t.TempDir(), "credential")
	if err := os.WriteFile(path, []byte(k.Text().Expose()), 0o440); err != nil {
		t.Fatal(err)
	}
	got, err := keys.FromCredential(path)
	if err != nil || got.Primary() != k.Primary() {
		t.Errorf("credential: %v", err)
	}
	if err := os.Chmod(path, 0o444); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.FromCredential(path); errs.CodeOf(err) != "key_permissions" {
		t.Errorf("a credential that all can read: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _ = w.WriteString(k.Text().Expose())
		_ = w.Close()
	}()
	defer func() { _ = r.Close() }()
	fd, err := syscall.Dup(int(r.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err = keys.FromDescriptor(uintptr(fd)); err != nil || got.Primary() != k.Primary() {
		t.Errorf("descriptor: %v", err)
	}
	if _, err := keys.FromDescriptor(1); errs.CodeOf(err) != "bad_key" {
		t.Errorf("standard output as a key: %v", err)
	}
	big := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), 1<<20), 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := keys.FromCredential(big); errs.CodeOf(err) != "bad_key" {
		t.Errorf("a huge file: %v", err)
	}
}
