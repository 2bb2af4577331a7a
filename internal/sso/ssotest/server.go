// Package ssotest starts a real OpenID provider for tests: the certified
// oidc-provider package of npm, in a process of its own (see test/oidc).
package ssotest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// Person is somebody who has an account at the provider, by subject.
type Person struct {
	Email         string   `json:"email,omitempty"`
	EmailVerified bool     `json:"email_verified"`
	Name          string   `json:"name,omitempty"`
	Groups        []string `json:"groups,omitempty"`
}

// Options say how the provider is set up.
type Options struct {
	ClientID     string            `json:"client_id"`
	ClientSecret string            `json:"client_secret"`
	Redirect     string            `json:"redirect"`
	PostLogout   string            `json:"post_logout,omitempty"`
	AuthMethod   string            `json:"auth_method,omitempty"` // empty = client_secret_basic
	People       map[string]Person `json:"people"`
	// Key and Cert are PEM; with them the provider speaks TLS.
	Key  string `json:"key,omitempty"`
	Cert string `json:"cert,omitempty"`
}

// Start runs a provider until the test ends and returns its issuer. Where Node
// or the package is missing the test is skipped, loudly; in CI it fails.
func Start(t testing.TB, o Options) (issuer string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	dir := filepath.Join(filepath.Dir(file), "..", "..", "..", "test", "oidc")
	node, err := exec.LookPath("node")
	if err == nil {
		_, err = os.Stat(filepath.Join(dir, "node_modules", "oidc-provider"))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("the OpenID provider for tests is missing: run npm ci in test/oidc")
		}
		fmt.Fprintln(os.Stderr, "*** SKIPPED: single sign-on against a real provider. Install Node and run npm ci in test/oidc. ***")
		t.Skip("no OpenID provider")
	}
	address := freeAddress(t)
	issuer = "http://" + address
	if o.Key != "" {
		issuer = "https://" + address
	}
	settings, err := json.Marshal(struct {
		Options
		Issuer string `json:"issuer"`
	}{o, issuer})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, "server.mjs") //nolint:gosec,noctx // G204: node of this machine; it ends with its standard input
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OIDC_TEST="+string(settings), "NODE_NO_WARNINGS=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints lockedBuffer
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the provider said: %s", complaints.String())
		}
	})
	ready := make(chan struct{})
	go func() {
		lines := bufio.NewScanner(stdout)
		for lines.Scan() {
			if strings.HasSuffix(lines.Text(), "listening") {
				close(ready)
				break
			}
		}
		for lines.Scan() { // its pipe must not fill up
		}
	}()
	select {
	case <-ready:
	case <-time.After(60 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatalf("the provider did not start: %s", complaints.String())
	}
	return issuer
}

// freeAddress finds a port of this machine that nobody uses.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String returns what was written.
func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
