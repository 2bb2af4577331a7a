// Package kms lets a key management service wrap and unwrap the master keys: a
// program of the operator's, or the transit engine of HashiCorp Vault and
// OpenBao. The key that wraps never leaves the service.
package kms

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/metalens/metalens/internal/errs"
)

const (
	commandLimit  = 30 * time.Second
	commandOutput = 1 << 20
)

// Command is a program that wraps and unwraps (docs/guide/keys.md). It is
// started without a shell, without arguments and with an environment of its own;
// it reads one JSON request from standard input and writes one JSON answer.
type Command struct {
	path    string
	environ []string
	limit   time.Duration
}

// NewCommand checks the program: an absolute path to an executable file that
// root or this user owns and nobody else may change. environ is what the program
// sees beside PATH.
func NewCommand(path string, environ []string) (*Command, error) {
	if !filepath.IsAbs(path) {
		return nil, bad("kms_command", fmt.Sprintf("The KMS program %q is not named by an absolute path.", path), "Set kms.command to a path that begins with a slash.")
	}
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return nil, bad("kms_command", fmt.Sprintf("The KMS program %s is not there or cannot be run.", path), "Check kms.command.")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, bad("kms_command", fmt.Sprintf("Others may change the KMS program %s.", path), fmt.Sprintf("Run: chmod go-w %q", path))
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Uid != 0 && int(st.Uid) != os.Geteuid() {
		return nil, bad("kms_command", fmt.Sprintf("The KMS program %s belongs to another user.", path), "Let root own it.")
	}
	return &Command{path: path, environ: append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, environ...), limit: commandLimit}, nil
}

func bad(code, text, hint string) error { return errs.New(errs.Invalid, code, text, hint) }

// commandRequest and commandAnswer are the protocol; byte slices are base64.
type commandRequest struct {
	Version   int    `json:"version"`
	Operation string `json:"operation"` // wrap, unwrap
	Context   string `json:"context"`   // to be bound to the data, where the service can
	Data      []byte `json:"data"`
}

type commandAnswer struct {
	Data  []byte `json:"data"`
	Error string `json:"error"`
	Retry bool   `json:"retry"` // the service cannot be reached at the moment
}

// Name implements [keys.KMS].
func (c *Command) Name() string { return "program " + c.path }

// Wrap implements [keys.KMS].
func (c *Command) Wrap(ctx context.Context, plaintext []byte, what string) ([]byte, error) {
	return c.run(ctx, "wrap", plaintext, what)
}

// Unwrap implements [keys.KMS].
func (c *Command) Unwrap(ctx context.Context, wrapped []byte, what string) ([]byte, error) {
	return c.run(ctx, "unwrap", wrapped, what)
}

func (c *Command) run(ctx context.Context, operation string, data []byte, what string) ([]byte, error) {
	request, err := json.Marshal(commandRequest{Version: 1, Operation: operation, Context: what, Data: data})
	if err != nil {
		return nil, fmt.Errorf("write the request to the KMS program: %w", err)
	}
	defer clear(request)
	ctx, cancel := context.WithTimeout(ctx, c.limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.path) //nolint:gosec // the operator's own program, without a shell
	cmd.Env, cmd.Dir = c.environ, "/"
	cmd.Stdin = bytes.NewReader(request)
	out := &limited{left: commandOutput}
	defer func() { clear(out.b) }()
	cmd.Stdout = out // what it says on standard error stays unread: it may hold anything
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) } // with its children
	cmd.WaitDelay = time.Second
	runErr := cmd.Run()
	if ctx.Err() != nil {
		return nil, errs.Wrap(ctx.Err(), errs.Unavailable, "kms_unavailable", "The KMS program did not answer in time.", "Check that "+c.path+" reaches its service.")
	}
	var answer commandAnswer
	d := json.NewDecoder(bytes.NewReader(out.b))
	d.DisallowUnknownFields()
	switch err := d.Decode(&answer); {
	case err == nil && answer.Retry:
		return nil, errs.Wrap(errors.New("asked to retry"), errs.Unavailable, "kms_unavailable", "The key management service cannot be reached at the moment.", "Run "+c.path+" by hand to see why.")
	case err == nil && answer.Error != "":
		return nil, errs.Wrap(errors.Join(runErr, errors.New("the program reported an error")), errs.Forbidden, "kms_refused", "The key management service refused: "+plain(answer.Error), "Check the rights of "+c.path+" at its service.")
	case runErr != nil:
		return nil, errs.Wrap(runErr, errs.Unavailable, "kms_failed", "The KMS program failed.", "Run "+c.path+" by hand to see why; docs/guide/keys.md has its protocol.")
	case err != nil || len(answer.Data) == 0:
		return nil, errs.Wrap(err, errs.Unavailable, "kms_failed", "The KMS program gave no answer that can be read.", "docs/guide/keys.md has its protocol.")
	}
	return answer.Data, nil
}

// plain shortens a message of others to one harmless line.
func plain(s string) string {
	out := make([]rune, 0, 200)
	for _, r := range s {
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		if out = append(out, r); len(out) == 200 {
			break
		}
	}
	return string(out)
}

// limited keeps the first bytes and fails after them.
type limited struct {
	b    []byte
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) > l.left {
		return 0, errors.New("the answer is too long")
	}
	l.left -= len(p)
	l.b = append(l.b, p...)
	return len(p), nil
}
