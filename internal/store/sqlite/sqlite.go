// Package sqlite opens the embedded database: one file, a single writing
// connection and a pool of connections that cannot write.
package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	driver "modernc.org/sqlite" // registers the driver "sqlite"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the numbered migrations.
func Migrations() fs.FS {
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return sub
}

// DB is the open database. Transactions of Write start immediate, so that they
// queue instead of failing half-way; connections of Read refuse every write.
type DB struct {
	Write *sql.DB
	Read  *sql.DB
	path  string
}

// Open creates the file (0600, folder 0700) where it is missing.
func Open(ctx context.Context, path string) (*DB, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("create the database folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create the database file: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("create the database file: %w", err)
	}
	write, err := OpenWriter(path)
	if err != nil {
		return nil, err
	}
	// The first connection makes the file a WAL database; readers cannot.
	if err := write.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), write.Close())
	}
	read, err := OpenReader(path)
	if err != nil {
		return nil, errors.Join(err, write.Close())
	}
	return &DB{Write: write, Read: read, path: path}, nil
}

// OpenReader opens connections to an existing file that refuse every write.
func OpenReader(path string) (*sql.DB, error) {
	read, err := sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}}, "query_only(1)", "cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open the database for reading: %w", err)
	}
	readers := max(4, runtime.GOMAXPROCS(0)*2)
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	return read, nil
}

// OpenWriter opens a further single writing connection to an existing file, for
// a component that must own its connection.
func OpenWriter(path string) (*sql.DB, error) {
	write, err := sql.Open("sqlite", dsn(path, url.Values{"_txlock": {"immediate"}},
		"page_size(8192)", "auto_vacuum(2)", "journal_mode(wal)", "synchronous(normal)", "secure_delete(1)"))
	if err != nil {
		return nil, fmt.Errorf("open the database for writing: %w", err)
	}
	write.SetMaxOpenConns(1)
	write.SetMaxIdleConns(1)
	return write, nil
}

// Path returns the file.
func (d *DB) Path() string { return d.path }

// Close closes both pools; the last writer folds the write-ahead log into the
// file.
func (d *DB) Close() error { return errors.Join(d.Read.Close(), d.Write.Close()) }

func dsn(path string, query url.Values, pragmas ...string) string {
	query["_pragma"] = append([]string{"busy_timeout(30000)", "foreign_keys(1)", "temp_store(2)", "cache_size(-8000)"}, pragmas...)
	u := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}
	return u.String()
}

// The result codes that the store tells apart (https://sqlite.org/rescode.html).
const (
	codeBusy       = 5
	codeFull       = 13
	codeUnique     = 2067
	codePrimaryKey = 1555
	codeForeignKey = 787
)

// IsUnique reports a violated unique key.
func IsUnique(err error) bool { return hasCode(err, codeUnique, codePrimaryKey) }

// IsForeignKey reports a reference to a row that does not exist.
func IsForeignKey(err error) bool { return hasCode(err, codeForeignKey) }

// IsBusy reports that another process held the database for too long.
func IsBusy(err error) bool {
	var e *driver.Error
	return errors.As(err, &e) && e.Code()&0xff == codeBusy
}

// IsFull reports that the disk is full.
func IsFull(err error) bool { return hasCode(err, codeFull) }

func hasCode(err error, codes ...int) bool {
	var e *driver.Error
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code() == c {
			return true
		}
	}
	return false
}
