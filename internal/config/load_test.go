package config_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
)

const canary = "mb_canary_5b1f9c"

// write puts a file into dir and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrecedence(t *testing.T) {
	data := t.TempDir()
	write(t, data, "metalens.yaml", "server:\n  listen: 127.0.0.1:1\nlog:\n  level: debug\n  format: json\nscan:\n  concurrency: 7\n")
	write(t, data, ".env", "METALENS_LOG_LEVEL=warn\nMETALENS_LOG_FORMAT=text\nMETALENS_SCAN_CONCURRENCY=5\n")
	l, err := config.Load(config.Inputs{
		DefaultData: data,
		Environ:     []string{"METALENS_SCAN_CONCURRENCY=4", "METALENS_LOG_FORMAT=json"},
		Flags:       []config.Flag{{Key: "log.format", Flag: "--log-format", Value: "text"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Config
	got := fmt.Sprint(c.Server.Listen, c.Log.Level, c.Scan.Concurrency, c.Log.Format)
	if want := fmt.Sprint("127.0.0.1:1", "warn", 4, "text"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	for key, want := range map[string]string{
		"server.listen":    filepath.Join(data, "metalens.yaml") + ":2",
		"log.level":        "METALENS_LOG_LEVEL in " + filepath.Join(data, ".env") + " (data .env)",
		"scan.concurrency": "METALENS_SCAN_CONCURRENCY (environment)",
		"log.format":       "--log-format",
		"metabase.url":     "default",
	} {
		if got := l.Origin(key).String(); got != want {
			t.Errorf("origin of %s: %q, want %q", key, got, want)
		}
	}
}

func TestMistakes(t *testing.T) {
	tests := []struct {
		name    string
		environ []string
		flags   []config.Flag
		yaml    string
		dotenv  string
		code    string
		says    string
	}{
		{name: "unknown key in the file", yaml: "server:\n  lisen: x\n", code: "unknown_setting", says: "Did you mean server.listen?"},
		{name: "unknown section", yaml: "sever:\n  listen: x\n", code: "unknown_setting", says: "sever"},
		{name: "unknown variable in .env", dotenv: "METALENS_LISEN=x\n", code: "unknown_setting", says: "METALENS_LISTEN"},
		{name: "mistyped key variable in .env", dotenv: "METABASE_APIKEY=" + canary + "\n", code: "unknown_setting", says: "METABASE_API_KEY"},
		{name: "bad YAML", yaml: "server: [\n", code: "config_file", says: "not valid YAML"},
		{name: "list instead of settings", yaml: "- a\n", code: "config_file", says: "key: value"},
		{name: "mapping instead of a value", yaml: "data:\n  x: 1\n", code: "config_file", says: "wants one value"},
		{name: "bad .env", dotenv: "METABASE_API_KEY=\"" + canary + "\n", code: "env_file", says: "not understood"},
		{name: "bad port", environ: []string{"METALENS_LISTEN=localhost"}, code: "bad_setting", says: "host:port"},
		{name: "bad bool", yaml: "metabase:\n  tls12: maybe\n", code: "bad_setting", says: "neither true nor false"},
		{name: "bad network", environ: []string{"METALENS_OUTBOUND_ALLOWED_NETWORKS=10.0.0.0"}, code: "bad_setting", says: "10.0.0.0/8"},
		{name: "no URL", environ: []string{"METABASE_URL=metabase.example.com"}, code: "bad_setting", says: "https://metabase.example.com"},
		{name: "password in the URL", environ: []string{"METABASE_URL=https://u:p@metabase.example.com"}, code: "bad_setting", says: "user name or password"},
		{name: "key with a blank", environ: []string{"METABASE_API_KEY=mb_ " + canary}, code: "bad_setting", says: "white space"},
		{name: "key twice", environ: []string{"METABASE_API_KEY=" + canary, "METABASE_API_KEY_FILE=/x"}, code: "ambiguous_setting", says: "Keep one"},
		{name: "key file missing", environ: []string{"METABASE_API_KEY_FILE=/nowhere/key"}, code: "secret_file", says: "does not exist"},
		{name: "key file flag missing", flags: []config.Flag{{Key: "metabase.api_key_file", Flag: "--api-key-file", Value: "/nowhere/key"}}, code: "secret_file", says: "--api-key-file"},
		{name: "master key from a standard stream", environ: []string{"METALENS_MASTER_KEY_FD=1"}, code: "bad_setting", says: "begin at 3"},
		{name: "database of another kind", environ: []string{"METALENS_DATABASE_URL=mysql://u:" + canary + "@h/db"}, code: "bad_setting", says: "postgres://"},
		{name: "data moved from inside", yaml: "data: /elsewhere\n", code: "data_in_data", says: "METALENS_DATA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			if tt.yaml != "" {
				write(t, data, "metalens.yaml", tt.yaml)
			}
			if tt.dotenv != "" {
				write(t, data, ".env", tt.dotenv)
			}
			_, err := config.Load(config.Inputs{DefaultData: data, Environ: tt.environ, Flags: tt.flags})
			if errs.KindOf(err) != errs.Invalid || errs.CodeOf(err) != tt.code {
				t.Fatalf("got %v (%s), want code %s", err, errs.CodeOf(err), tt.code)
			}
			text, hint := errs.PublicText(err)
			if !strings.Contains(text+" "+hint, tt.says) {
				t.Errorf("%q %q does not say %q", text, hint, tt.says)
			}
			if strings.Contains(err.Error()+text+hint, canary) {
				t.Errorf("the secret is in the message: %v", err)
			}
		})
	}
}

func TestEnvironmentTyposWarn(t *testing.T) {
	l, err := config.Load(config.Inputs{
		DefaultData: t.TempDir(),
		Environ:     []string{"METALENS_LISTN=x", "METALENS_PORT_8300_TCP=tcp://10.0.0.1", "METABASE_PORT=1", "METALENS_CORPUS=/c", "HOME=/root"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Unknown) != 1 || l.Unknown[0] != "METALENS_LISTN" {
		t.Errorf("unknown: %v", l.Unknown)
	}
	if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "METALENS_LISTEN?") {
		t.Errorf("warnings: %v", l.Warnings)
	}
}

func TestReadableSecretsWarn(t *testing.T) {
	dir := t.TempDir()
	key := write(t, dir, "key", canary+"\n")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := config.Load(config.Inputs{DefaultData: t.TempDir(), Environ: []string{"METABASE_API_KEY_FILE=" + key}})
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Warnings) != 1 || !strings.Contains(l.Warnings[0], "chmod 600") {
		t.Errorf("warnings: %v", l.Warnings)
	}
	if l.Config.Metabase.APIKey.Expose() != canary {
		t.Error("the key was not trimmed")
	}
}

func TestDotenvIsOnlyReadWhereItBelongs(t *testing.T) {
	work := t.TempDir()
	write(t, work, ".env", "METABASE_URL=https://evil.example.com\n")
	t.Chdir(work)
	l, err := config.Load(config.Inputs{DefaultData: t.TempDir(), Environ: []string{"METABASE_API_KEY=" + canary}})
	if err != nil {
		t.Fatal(err)
	}
	if l.Config.Metabase.URL != "" {
		t.Errorf("the working directory's .env was read: %s", l.Config.Metabase.URL)
	}
}

func TestTargetPairsAddressAndKey(t *testing.T) {
	type source struct{ environ, dotenv, envFile, yaml string }
	tests := []struct {
		name    string
		source  source
		flags   map[string]string // key → text; the key file is written
		url     string
		key     string // expected credential, empty = none
		code    string // expected error
		session bool
	}{
		{name: "nothing"},
		{name: "environment", source: source{environ: "METABASE_URL=https://a METABASE_API_KEY=k1"}, url: "https://a", key: "k1"},
		{name: "session", source: source{environ: "METABASE_URL=https://a METABASE_SESSION=s1"}, url: "https://a", key: "s1", session: true},
		{name: "typed both", flags: map[string]string{"url": "https://a", "key": "k2"}, url: "https://a", key: "k2"},
		{name: "typed address, key of the environment", source: source{environ: "METABASE_API_KEY=k1"}, flags: map[string]string{"url": "https://a"}, url: "https://a", key: "k1"},
		{name: "typed address, the environment's key is for another", source: source{environ: "METABASE_URL=https://a METABASE_API_KEY=k1"}, flags: map[string]string{"url": "https://b"}, url: "https://b", code: "key_of_other_source"},
		{name: "typed address, the environment names the same", source: source{environ: "METABASE_URL=https://A/ METABASE_API_KEY=k1"}, flags: map[string]string{"url": "https://a"}, url: "https://a", key: "k1"},
		{name: "address of an env file never gets the environment's key", source: source{environ: "METABASE_API_KEY=k1", envFile: "METABASE_URL=https://evil"}, url: "https://evil", code: "key_of_other_source"},
		{name: "address of an env file never gets a typed key", source: source{envFile: "METABASE_URL=https://evil"}, flags: map[string]string{"key": "k2"}, url: "https://evil", code: "key_of_other_source"},
		{name: "env file with both", source: source{environ: "METABASE_API_KEY=k1", envFile: "METABASE_URL=https://e\nMETABASE_API_KEY=k3"}, url: "https://e", key: "k3"},
		{name: "data .env with both", source: source{dotenv: "METABASE_URL=https://d\nMETABASE_API_KEY=k4"}, url: "https://d", key: "k4"},
		{name: "environment's address does not take the data directory's key", source: source{environ: "METABASE_URL=https://a", dotenv: "METABASE_URL=https://d\nMETABASE_API_KEY=k4"}, url: "https://a", code: "key_of_other_source"},
		{name: "file with address only", source: source{environ: "METABASE_API_KEY=k1", yaml: "metabase:\n  url: https://f\n"}, url: "https://f", code: "key_of_other_source"},
		{name: "environment's address, typed key", source: source{environ: "METABASE_URL=https://a METABASE_API_KEY=k1"}, flags: map[string]string{"key": "k2"}, url: "https://a", key: "k2"},
		{name: "key without an address", flags: map[string]string{"key": "k2"}, code: "no_url"},
		{name: "key and session", source: source{environ: "METABASE_URL=https://a METABASE_API_KEY=k1 METABASE_SESSION=s1"}, code: "two_credentials"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data := t.TempDir()
			in := config.Inputs{DefaultData: data, Environ: strings.Fields(tt.source.environ)}
			if tt.source.dotenv != "" {
				write(t, data, ".env", tt.source.dotenv)
			}
			if tt.source.yaml != "" {
				write(t, data, "metalens.yaml", tt.source.yaml)
			}
			if tt.source.envFile != "" {
				in.EnvFile = write(t, t.TempDir(), "some.env", tt.source.envFile)
			}
			if u := tt.flags["url"]; u != "" {
				in.Flags = append(in.Flags, config.Flag{Key: "metabase.url", Flag: "--url", Value: u})
			}
			if k := tt.flags["key"]; k != "" {
				in.Flags = append(in.Flags, config.Flag{Key: "metabase.api_key_file", Flag: "--api-key-file", Value: write(t, t.TempDir(), "key", k)})
			}
			l, err := config.Load(in)
			if err != nil {
				t.Fatal(err)
			}
			target, err := l.Target()
			if (tt.code == "") != (err == nil) || err != nil && errs.CodeOf(err) != tt.code {
				t.Fatalf("error %v, want code %q", err, tt.code)
			}
			if err == nil && (target.URL != tt.url || target.Credential.Expose() != tt.key || target.Session != tt.session) {
				t.Errorf("got %s with %q (session %t), want %s with %q", target.URL, target.Credential.Expose(), target.Session, tt.url, tt.key)
			}
		})
	}
}

func TestKeyFromStandardInput(t *testing.T) {
	l, err := config.Load(config.Inputs{
		DefaultData: t.TempDir(), Stdin: strings.NewReader(canary + "\n"),
		Flags: []config.Flag{{Key: "metabase.url", Flag: "--url", Value: "https://a"}, {Key: "metabase.api_key_file", Flag: "--api-key-file", Value: "-"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if target, err := l.Target(); err != nil || target.Credential.Expose() != canary {
		t.Errorf("got %v", err)
	}
}

func TestPrintHidesSecrets(t *testing.T) {
	l, err := config.Load(config.Inputs{
		DefaultData: t.TempDir(),
		Environ: []string{
			"METABASE_URL=https://a", "METABASE_API_KEY=" + canary, "METALENS_DATABASE_URL=postgres://u:" + canary + "@db:5432/metalens?password=" + canary,
			"METALENS_METABASE_PROXY=http://u:" + canary + "@proxy:3128",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := l.Print(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), canary) {
		t.Errorf("printed in clear:\n%s", out.String())
	}
	for _, want := range []string{"https://a", "METABASE_URL (environment)", "(set, hidden)", "postgres://db:5432/metalens"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing:\n%s", want, out.String())
		}
	}
	for _, k := range config.Keys() {
		if !strings.Contains(out.String(), k.Name) {
			t.Errorf("%s is missing", k.Name)
		}
	}
}

func TestEveryKeyIsReachable(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range config.Keys() {
		if k.Help == "" || len(k.Env) == 0 {
			t.Errorf("%s lacks help or a variable", k.Name)
		}
		ours := false
		for _, name := range k.Env {
			if seen[name] {
				t.Errorf("%s is used twice", name)
			}
			seen[name] = true
			ours = ours || strings.HasPrefix(name, "METALENS_")
		}
		if !ours {
			t.Errorf("%s has no METALENS_ variable", k.Name)
		}
	}
}
