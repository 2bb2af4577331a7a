package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/app"
	"github.com/metalens/metalens/internal/config"
)

// TestDoctorTellsWhereTheMasterKeyIs reads its word on each mode, and finds the
// key itself nowhere in it.
func TestDoctorTellsWhereTheMasterKeyIs(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(root, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	password := write("password", opsPassword, 0o600)
	// A key management service that leaves everything as it is.
	service := write("kms", "#!/bin/sh\nsed 's/.*\"data\":\"\\([^\"]*\\)\".*/{\"data\":\"\\1\"}/'\n", 0o700)
	for name, test := range map[string]struct {
		environ []string
		want    []string
	}{
		"key file": {nil, []string{"mode key-file", filepath.Join("keys", "master.key"), "Single-user mode"}},
		"KMS": {[]string{"METALENS_KMS_COMMAND=" + service}, []string{
			"mode kms", "wrapped in ", filepath.Join("keys", "master.wrapped"), "and nowhere else",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			data := filepath.Join(t.TempDir(), "data")
			loaded := func() *config.Loaded {
				l, err := config.Load(config.Inputs{DefaultData: data, Environ: test.environ})
				if err != nil {
					t.Fatal(err)
				}
				return l
			}
			said := &output{}
			env := app.Env{Stdin: strings.NewReader(""), Stdout: said, Stderr: &output{}, Now: time.Now}
			if err := app.OperatorAdd(t.Context(), env, loaded(), app.OperatorOptions{Email: opsEmail, PasswordFile: password}); err != nil {
				t.Fatal(err)
			}
			if err := app.Doctor(t.Context(), env, loaded(), true); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			for _, want := range test.want {
				if !strings.Contains(said.String(), want) {
					t.Errorf("doctor does not say %q:\n%s", want, said)
				}
			}
			files, err := filepath.Glob(filepath.Join(data, "keys", "*"))
			if err != nil || len(files) == 0 {
				t.Fatalf("no keys: %v", err)
			}
			raw, err := os.ReadFile(files[0])
			if err != nil {
				t.Fatal(err)
			}
			for word := range strings.FieldsSeq(string(raw)) {
				if len(word) > 30 && strings.Contains(said.String(), word) {
					t.Error("doctor prints the key")
				}
			}
		})
	}
}
