// Package pgtest gives tests a real PostgreSQL. It uses the server that
// METALENS_TEST_POSTGRES names, else it starts a throw-away cluster from the
// distribution's binaries: one per test binary, one database per test.
package pgtest

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

const (
	envURL     = "METALENS_TEST_POSTGRES"
	envRequire = "METALENS_REQUIRE_POSTGRES"
)

// Cluster is a running PostgreSQL server. The zero Cluster starts one when the
// first test asks for a database.
type Cluster struct {
	start  sync.Once
	err    error
	admin  string // address of the maintenance database, as superuser
	folder string
	server *exec.Cmd
	mu     sync.Mutex
	next   int
}

// errNone says that there is no PostgreSQL on this machine.
var errNone = errors.New("no PostgreSQL binaries found")

// Run runs the tests of a package and stops the cluster after them. Call it
// from TestMain: os.Exit(cluster.Run(m)).
func (c *Cluster) Run(m *testing.M) int {
	code := m.Run()
	if err := c.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "pgtest: stop the cluster:", err)
		return max(code, 1)
	}
	return code
}

// Database makes an empty database for a test, owned by a login that is no
// superuser but may create roles, and returns that login's address. The
// database is dropped when the test ends. Without PostgreSQL the test is
// skipped; with CI=true or METALENS_REQUIRE_POSTGRES=1 it fails.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	return c.database(t, false)
}

// SuperuserDatabase is Database with the address of the superuser.
func (c *Cluster) SuperuserDatabase(t testing.TB) string {
	t.Helper()
	return c.database(t, true)
}

func (c *Cluster) database(t testing.TB, super bool) string {
	t.Helper()
	c.start.Do(func() { c.err = c.launch() })
	if errors.Is(c.err, errNone) && os.Getenv("CI") != "true" && os.Getenv(envRequire) != "1" {
		t.Skip("SKIPPED WITHOUT POSTGRESQL: install the distribution's postgresql package or set " + envURL)
	}
	if c.err != nil {
		t.Fatalf("pgtest: %v", c.err)
	}
	c.mu.Lock()
	c.next++
	name := fmt.Sprintf("metalens_test_%d_%d", os.Getpid(), c.next)
	c.mu.Unlock()
	ctx := context.Background()
	db := c.connect(t)
	defer func() { _ = db.Close() }()
	owner := name + "_owner"
	for _, q := range []string{
		`CREATE ROLE ` + owner + ` LOGIN CREATEROLE PASSWORD 'test'`,
		`CREATE DATABASE ` + name + ` OWNER ` + owner,
	} {
		if _, err := db.ExecContext(ctx, q); err != nil {
			t.Fatalf("pgtest: make a database: %v", err)
		}
	}
	t.Cleanup(func() {
		db := c.connect(t)
		defer func() { _ = db.Close() }()
		for _, q := range []string{
			`DROP DATABASE ` + name + ` WITH (FORCE)`,
			`DROP OWNED BY ` + owner,
			`DROP ROLE ` + owner,
		} {
			if _, err := db.ExecContext(ctx, q); err != nil {
				t.Errorf("pgtest: drop a database: %v", err)
			}
		}
	})
	if super {
		return c.address("", name)
	}
	return c.address(owner, name)
}

func (c *Cluster) connect(t testing.TB) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(c.admin)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return stdlib.OpenDB(*cfg)
}

// address swaps the login (empty = as it is) and the database of the
// maintenance address.
func (c *Cluster) address(login, database string) string {
	u, err := url.Parse(c.admin)
	if err != nil {
		return ""
	}
	if login != "" {
		u.User = url.UserPassword(login, "test")
	}
	u.Path = "/" + database
	return u.String()
}

// As returns an address with another login of password "test".
func As(address, login string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User = url.UserPassword(login, "test")
	return u.String()
}

func (c *Cluster) launch() error {
	if address := os.Getenv(envURL); address != "" {
		c.admin = address
		return nil
	}
	bin, err := binaries()
	if err != nil {
		return err
	}
	// PostgreSQL refuses to run as root: another user owns the folder then.
	account, err := serverAccount()
	if err != nil {
		return err
	}
	c.folder, err = os.MkdirTemp("", "metalens-pg-")
	if err != nil {
		return fmt.Errorf("make a folder for the cluster: %w", err)
	}
	if account != nil {
		if err := os.Chown(c.folder, int(account.Uid), int(account.Gid)); err != nil {
			return fmt.Errorf("hand the folder over: %w", err)
		}
	}
	data := filepath.Join(c.folder, "data")
	initdb := command(account, c.folder, filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions")
	if out, err := initdb.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("initdb: %w: %s", err, bytes.TrimSpace(out)), c.stop())
	}
	c.server = command(account, c.folder, filepath.Join(bin, "postgres"), "-D", data, "-k", c.folder, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200", "-c", "logging_collector=off")
	log, err := os.Create(filepath.Join(c.folder, "log"))
	if err != nil {
		return errors.Join(err, c.stop())
	}
	defer func() { _ = log.Close() }()
	c.server.Stdout, c.server.Stderr = log, log
	if err := c.server.Start(); err != nil {
		c.server = nil
		return errors.Join(fmt.Errorf("start PostgreSQL: %w", err), c.stop())
	}
	c.admin = "postgres://postgres:test@/postgres?host=" + url.QueryEscape(c.folder)
	if err := c.await(); err != nil {
		text, readErr := os.ReadFile(filepath.Join(c.folder, "log"))
		return errors.Join(fmt.Errorf("wait for PostgreSQL: %w: %s", err, text), readErr, c.stop())
	}
	return nil
}

// await dials the socket until the server answers queries.
func (c *Cluster) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(c.admin)
	if err != nil {
		return err
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := pgx.ConnectConfig(ctx, cfg)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func (c *Cluster) stop() error {
	var err error
	if c.server != nil {
		err = c.server.Process.Signal(syscall.SIGINT) // fast shutdown
		if err == nil {
			err = c.server.Wait()
		}
		c.server = nil
	}
	if c.folder != "" {
		err = errors.Join(err, os.RemoveAll(c.folder))
		c.folder = ""
	}
	return err
}

// binaries finds the newest PostgreSQL of the distribution, or the one on PATH.
func binaries() (string, error) {
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin"} {
		dirs, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, dir := range dirs {
			if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
				found = append(found, dir)
			}
		}
	}
	if len(found) > 0 {
		return slices.MaxFunc(found, func(a, b string) int { return major(a) - major(b) }), nil
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		return filepath.Dir(path), nil
	}
	return "", errNone
}

func major(dir string) int {
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, filepath.Base(filepath.Dir(dir)))
	n, err := strconv.Atoi(digits)
	if err != nil {
		return 0
	}
	return n
}

// serverAccount is whom to run the server as; nil = whoever we are.
func serverAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // nil says "no other account"
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(u.Uid, 10, 32)
		gid, errG := strconv.ParseUint(u.Gid, 10, 32)
		if errU == nil && errG == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("running as root and there is no user postgres or nobody to run PostgreSQL as")
}

func command(account *syscall.Credential, dir, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), name, args...) //nolint:gosec // the distribution's own binaries
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGOPTIONS=")
	// In a process group of its own, so that an interrupt at the terminal
	// reaches the tests first and they stop the server in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	return cmd
}

// Free returns a local address that nothing listens on, for tests of a server
// that cannot be reached.
func Free(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Open opens an address.
func (c *Cluster) Open(t testing.TB, address string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	db := stdlib.OpenDB(*cfg)
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Everything opens the database of an address as the superuser, whom no row-level
// security stops: for tests that compare all rows.
func (c *Cluster) Everything(t testing.TB, address string) *sql.DB {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c.Open(t, c.address("", strings.TrimPrefix(u.Path, "/")))
}
