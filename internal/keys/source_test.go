package keys_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/secret"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestPlacesOfKeyFiles tries a key file in places where others get at it.
func TestPlacesOfKeyFiles(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(t *testing.T, root string) (dir string)
		code    string
	}{
		"private": {func(_ *testing.T, root string) string { return filepath.Join(root, "a", "keys") }, ""},
		"folder above open to all": {func(t *testing.T, root string) string {
			must(t, os.MkdirAll(filepath.Join(root, "a", "keys"), 0o700))
			must(t, os.Chmod(filepath.Join(root, "a"), 0o777))
			return filepath.Join(root, "a", "keys")
		}, "key_permissions"},
		"git work tree": {func(t *testing.T, root string) string {
			must(t, os.MkdirAll(filepath.Join(root, ".git"), 0o700))
			return filepath.Join(root, "a", "keys")
		}, "key_in_git"},
		"git worktree file": {func(t *testing.T, root string) string {
			must(t, os.WriteFile(filepath.Join(root, ".git"), []byte("gitdir: x"), 0o600))
			return filepath.Join(root, "keys")
		}, "key_in_git"},
		"Dropbox":    {func(_ *testing.T, root string) string { return filepath.Join(root, "Dropbox", "metalens") }, "key_synced"},
		"OneDrive":   {func(_ *testing.T, root string) string { return filepath.Join(root, "OneDrive - Acme", "metalens") }, "key_synced"},
		"not a sync": {func(_ *testing.T, root string) string { return filepath.Join(root, "omega", "metalens") }, ""},
		"Syncthing": {func(t *testing.T, root string) string {
			must(t, os.MkdirAll(filepath.Join(root, ".stfolder"), 0o700))
			return filepath.Join(root, "a", "keys")
		}, "key_synced"},
		"through a link": {func(t *testing.T, root string) string {
			must(t, os.MkdirAll(filepath.Join(root, "Dropbox", "keys"), 0o700))
			must(t, os.Symlink(filepath.Join(root, "Dropbox"), filepath.Join(root, "link")))
			return filepath.Join(root, "link", "keys")
		}, "key_synced"},
	} {
		t.Run(name, func(t *testing.T) {
			root := filepath.Join(t.TempDir(), "root")
			must(t, os.Mkdir(root, 0o700))
			dir := test.prepare(t, root)
			must(t, os.MkdirAll(dir, 0o700))
			path := filepath.Join(dir, "master.key")
			must(t, os.WriteFile(path, []byte(generate(t).Text().Expose()), 0o600))
			_, err := keys.OpenFile(path, "")
			if errs.CodeOf(err) != test.code {
				t.Fatalf("got %v", err)
			}
			if _, hint := errs.PublicText(err); err != nil && hint == "" {
				t.Error("the refusal does not say what to do")
			}
		})
	}
}

func TestFindChoosesTheSource(t *testing.T) {
	dir := t.TempDir()
	credentials := filepath.Join(dir, "credentials")
	must(t, os.Mkdir(credentials, 0o700))
	handed := generate(t)
	must(t, os.WriteFile(filepath.Join(credentials, keys.CredentialName), []byte(handed.Text().Expose()), 0o400))
	own := filepath.Join(dir, "own", "master.key")
	must(t, os.Mkdir(filepath.Dir(own), 0o700))
	must(t, os.WriteFile(own, []byte(generate(t).Text().Expose()), 0o600))
	for name, test := range map[string]struct {
		o        keys.Options
		mode     keys.Mode
		writable bool
	}{
		"descriptor first":       {keys.Options{Descriptor: 3, File: own, CredentialsDir: credentials}, keys.ModeDescriptor, false},
		"file of our own":        {keys.Options{File: own, CredentialsDir: credentials}, keys.ModeKeyFile, true},
		"file of systemd":        {keys.Options{File: filepath.Join(credentials, keys.CredentialName), CredentialsDir: credentials}, keys.ModeCredential, false},
		"systemd by itself":      {keys.Options{CredentialsDir: credentials, KeyFile: own}, keys.ModeCredential, false},
		"empty credentials":      {keys.Options{CredentialsDir: dir, KeyFile: own}, keys.ModeKeyFile, true},
		"single-user by default": {keys.Options{KeyFile: own}, keys.ModeKeyFile, true},
	} {
		s, err := keys.Find(test.o)
		if err != nil || s.Mode() != test.mode || s.Writable() != test.writable || s.Place() == "" || s.Mode().Explain() == "" {
			t.Errorf("%s: got %v, %v", name, s, err)
			continue
		}
		test.o.Require = keys.ModeKMS
		if _, err := keys.Find(test.o); errs.CodeOf(err) != "key_mode" {
			t.Errorf("%s: another mode was demanded: %v", name, err)
		}
	}
	s, err := keys.Find(keys.Options{CredentialsDir: credentials})
	must(t, err)
	got, err := s.Load(context.Background())
	if err != nil || got.Primary() != handed.Primary() {
		t.Errorf("got %v", err)
	}
	if err := s.Save(context.Background(), handed); err == nil {
		t.Error("a credential was replaced")
	}
}

func TestReplacedKeyFileIsPrivateAndWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys", "master.key")
	first, err := keys.OpenOrCreateFile(path, "")
	must(t, err)
	before, err := os.Open(path)
	must(t, err)
	defer func() { _ = before.Close() }()
	next, err := first.Rotate()
	must(t, err)
	must(t, keys.ReplaceFile(path, next))
	got, err := keys.OpenFile(path, "")
	if err != nil || got.Primary() != next.Primary() || !got.Has(first.Primary()) {
		t.Fatalf("got %v", err)
	}
	// What stood in the old file is overwritten.
	old := make([]byte, 64)
	if n, _ := before.ReadAt(old, 0); strings.Trim(string(old[:n]), "\x00") != "" {
		t.Error("the old file still holds its keys")
	}
}

// first is a keyset of the first form: without a root.
const first = "metalens-key-v1 7 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"

// TestFirstFormKeepsItsHashes rotates a keyset that derived from its oldest key.
func TestFirstFormKeepsItsHashes(t *testing.T) {
	old, err := keys.Parse(secret.New(first))
	must(t, err)
	next, err := old.Rotate()
	must(t, err)
	alone, err := next.Without(old.Primary())
	must(t, err)
	again, err := keys.Parse(alone.Text())
	must(t, err)
	for _, purpose := range []string{"organization", "login throttle"} {
		if string(again.Derive(purpose)) != string(old.Derive(purpose)) {
			t.Errorf("%s changed", purpose)
		}
	}
	if strings.Contains(again.Text().Expose(), "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=") || again.Has(7) {
		t.Error("the old key is still in the set")
	}
	if _, err := again.Open(old.Seal([]byte("x"))); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("the old key still opens: %v", err)
	}
	for name, text := range map[string]string{
		"root twice": "metalens-root-v1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\nmetalens-root-v1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
		"short root": "metalens-root-v1 AAAA\n", "kept without root": "metalens-kept-v1 eA== AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
	} {
		if _, err := keys.Parse(secret.New(first + text)); errs.CodeOf(err) != "bad_key" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestDataKeyLetsGoOfOldKeys(t *testing.T) {
	master := generate(t)
	d, _, err := master.NewDataKey("org")
	must(t, err)
	sealed := d.Seal([]byte("x"), "table", "row")
	next, err := d.Rotate()
	must(t, err)
	if _, err := next.Open(sealed, "table", "row"); err != nil {
		t.Errorf("the old key must open until it is destroyed: %v", err)
	}
	alone, err := next.Alone()
	must(t, err)
	if _, err := alone.Open(sealed, "table", "row"); !errors.Is(err, keys.ErrOpen) {
		t.Errorf("got %v", err)
	}
	if string(alone.MAC("p", []byte("x"))) != string(d.MAC("p", []byte("x"))) || !alone.Derive("p").Equal(d.Derive("p")) {
		t.Error("hashes moved")
	}
	if len(alone.IDs()) != 1 || alone.Primary() != next.Primary() {
		t.Errorf("ids %v", alone.IDs())
	}
}

func TestMasterFetchesWhatItDoesNotHold(t *testing.T) {
	old := generate(t)
	next, err := old.Rotate()
	must(t, err)
	source, reads := old, 0
	m := keys.NewMaster(old, func() (*keys.Keyset, error) { reads++; return source, nil })
	source = next
	if b, err := m.Open(next.Seal([]byte("x"), "p"), "p"); err != nil || string(b) != "x" {
		t.Errorf("got %q, %v", b, err)
	}
	if m.Primary() != old.Primary() {
		t.Error("another key seals, and nobody said so")
	}
	if !m.Use(next.Primary()) || m.Primary() != next.Primary() || m.Use(12345) {
		t.Errorf("sealing key %d", m.Primary())
	}
	system, err := m.SystemKey()
	must(t, err)
	sealed := old.Seal([]byte("x"), "", "table", "row")
	if _, err := system.Open(sealed, "table", "row"); err != nil {
		t.Error(err)
	}
	must(t, m.Forget(old.Primary()))
	before := reads
	if _, err := system.Open(sealed, "table", "row"); !errors.Is(err, keys.ErrOpen) || reads != before {
		t.Errorf("a revoked key opens, or is fetched again: %v", err)
	}
	if err := m.Forget(m.Primary()); err != nil || len(m.IDs()) != 1 {
		t.Errorf("the sealing key was forgotten: %v", err)
	}
}
