package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// InitOptions say what init writes and where.
type InitOptions struct {
	URL     string
	KeyFile string // "-" is standard input
	Dir     string
}

// Init writes a .env file (mode 0600) and a line in .gitignore, and says what to
// do next. It never replaces a .env that is there.
func Init(env Env, o InitOptions) error {
	path := filepath.Join(o.Dir, ".env")
	if _, err := os.Lstat(path); err == nil {
		if err := ignoreEnv(env, o.Dir); err != nil {
			return err
		}
		return errs.New(errs.Conflict, "env_exists", "There is a file "+path+" already; it was not changed.",
			"Edit it, or remove it and run metalens init again. It needs METABASE_URL and METABASE_API_KEY.")
	}
	address, key, err := initAnswers(env, o)
	if err != nil {
		return err
	}
	text := "# Address and key of a Metabase. This file is a secret: keep it out of git.\n" +
		"METABASE_URL=" + address + "\n" +
		"# A key of an administrator shows everything; a key of a group shows what the group sees.\n" +
		"METABASE_API_KEY=" + key.Expose() + "\n"
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "env_file", "The file "+path+" cannot be written.", "Check that the folder exists and that you may write to it.")
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close(), os.Remove(path))
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	env.Say("Wrote %s (readable by you only).", path)
	if err := ignoreEnv(env, o.Dir); err != nil {
		return err
	}
	env.Say("")
	env.Say("Next:")
	step := 1
	next := func(text string) {
		env.Say("  %d. %s", step, text)
		step++
	}
	if address == "" {
		next("Put the address of your Metabase behind METABASE_URL= in " + path + ".")
	}
	if key.IsZero() {
		next("In Metabase, open Admin > Settings > Authentication > API keys, create a key, and put it behind METABASE_API_KEY= there.")
	}
	next("metalens scan --env-file " + path)
	next("metalens serve    to browse what was found")
	return nil
}

// initAnswers takes address and key from the options, or asks for them where a
// person sits at the terminal.
func initAnswers(env Env, o InitOptions) (string, secret.Value, error) {
	in := bufio.NewReader(env.Stdin)
	address, key := o.URL, secret.Value{}
	ask := env.StderrTTY && stdinTerminal(env)
	if address == "" && ask {
		_, _ = fmt.Fprint(env.Stderr, "Address of your Metabase (for example https://metabase.example.com): ")
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", key, fmt.Errorf("read the address: %w", err)
		}
		address = strings.TrimSpace(line)
	}
	if address != "" {
		u, err := url.Parse(address)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || strings.ContainsAny(address, " \t\n\"'#$\\") {
			return "", key, errs.New(errs.Invalid, "bad_setting", fmt.Sprintf("%q is not an address like https://metabase.example.com.", address), "Give the address of Metabase's start page with --url.")
		}
	}
	switch {
	case o.KeyFile == "-":
		raw, err := io.ReadAll(io.LimitReader(in, 64<<10))
		if err != nil {
			return "", key, fmt.Errorf("read the key: %w", err)
		}
		key = secret.New(strings.TrimSpace(string(raw)))
	case o.KeyFile != "":
		raw, err := os.ReadFile(o.KeyFile)
		if err != nil {
			return "", key, errs.Wrap(err, errs.Invalid, "secret_file", "The key file "+o.KeyFile+" cannot be read.", "Check the path and its permissions.")
		}
		key = secret.New(strings.TrimSpace(string(raw)))
	case ask:
		_, _ = fmt.Fprint(env.Stderr, "API key (not shown; empty to fill in later): ")
		f, ok := env.Stdin.(*os.File)
		if ok {
			raw, err := term.ReadPassword(int(f.Fd()))
			env.Say("")
			if err != nil {
				return "", key, fmt.Errorf("read the key: %w", err)
			}
			key = secret.New(strings.TrimSpace(string(raw)))
		}
	}
	for _, r := range key.Expose() {
		if r <= ' ' || r > '~' || strings.ContainsRune("\"'#$\\`", r) {
			return "", secret.Value{}, errs.New(errs.Invalid, "bad_setting", "The key holds white space or characters that no key has.", "Copy it again from Metabase.")
		}
	}
	return address, key, nil
}

func stdinTerminal(env Env) bool {
	f, ok := env.Stdin.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// ignoreEnv adds .env to .gitignore unless it is there.
func ignoreEnv(env Env, dir string) error {
	path := filepath.Join(dir, ".gitignore")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return errs.Wrap(err, errs.Invalid, "gitignore", "The file "+path+" cannot be read.", "Add the line .env to it yourself.")
	}
	lines := strings.Split(string(raw), "\n")
	if slices.ContainsFunc(lines, func(l string) bool {
		l = strings.TrimSpace(l)
		return l == ".env" || l == "/.env" || l == "*.env" || l == ".env*"
	}) {
		return nil
	}
	text := ".env\n"
	if len(raw) > 0 && !strings.HasSuffix(string(raw), "\n") {
		text = "\n" + text
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644) //nolint:gosec // G302: a file for everybody who works in the folder
	if err != nil {
		return errs.Wrap(err, errs.Invalid, "gitignore", "The file "+path+" cannot be written.", "Add the line .env to it yourself.")
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), f.Close())
	}
	env.Say("Added .env to %s.", path)
	return f.Close()
}
