// Package postgres opens the server database, prepares the two roles under
// which every transaction runs, and judges whether the login is a safe one.
package postgres

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/secret"
)

// The roles. Neither owns a table, logs in, or bypasses row-level security.
const (
	AppRole    = "metalens_app"    // sees one organization
	SystemRole = "metalens_system" // sees organizations, users, sessions and schedules
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

// Open connects and waits for the first answer.
func Open(ctx context.Context, address secret.Value) (*sql.DB, error) {
	cfg, err := pgx.ParseConfig(address.Expose())
	if err != nil {
		// The parser's message can quote the address; it stays out.
		return nil, errs.New(errs.Invalid, "database_url", "The database address cannot be read.",
			"Set METALENS_DATABASE_URL to an address such as postgres://user:password@host:5432/metalens?sslmode=verify-full.")
	}
	if _, set := cfg.RuntimeParams["application_name"]; !set {
		cfg.RuntimeParams["application_name"] = "metalens"
	}
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(8)
	db.SetConnMaxIdleTime(5 * time.Minute)
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(refused(err), db.Close())
	}
	return db, nil
}

func refused(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case "28000", "28P01":
			return errs.Wrap(err, errs.Unauthorized, "database_refused", "The database refused the login.",
				"Check the user and password in METALENS_DATABASE_URL.")
		case "3D000":
			return errs.Wrap(err, errs.NotFound, "database_missing", "The database that METALENS_DATABASE_URL names does not exist.",
				"Create it: CREATE DATABASE metalens.")
		}
	}
	return errs.Wrap(err, errs.Unavailable, "database_unreachable", "The database cannot be reached.",
		"Check the host, the port and the TLS mode in METALENS_DATABASE_URL, and that the server is running.")
}

// EnsureRoles makes the two roles where they are missing, and lets the service's
// login act as both. db is the migrating login.
func EnsureRoles(ctx context.Context, db *sql.DB, login string) error {
	for _, role := range []string{AppRole, SystemRole} {
		var exists bool
		if err := db.QueryRowContext(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role).Scan(&exists); err != nil {
			return fmt.Errorf("look for role %s: %w", role, err)
		}
		if !exists {
			_, err := db.ExecContext(ctx, `CREATE ROLE `+role+` NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE`)
			if err != nil && !raced(err) {
				return errs.Wrap(err, errs.Forbidden, "roles_missing", "The database login may not create the roles that MetaLens runs under.",
					"As an administrator, run: CREATE ROLE metalens_app NOLOGIN; CREATE ROLE metalens_system NOLOGIN; GRANT metalens_app, metalens_system TO <login>; or set METALENS_ADMIN_DATABASE_URL to a login that may.")
			}
		}
		for _, member := range []string{login, ""} {
			if err := join(ctx, db, role, member); err != nil {
				return err
			}
		}
	}
	return nil
}

// join makes a login (empty = the migrating one) a member of a role.
func join(ctx context.Context, db *sql.DB, role, login string) error {
	var member bool
	var name string
	err := db.QueryRowContext(ctx, `SELECT r.rolname, r.rolsuper OR pg_has_role(r.oid, $2::name, 'MEMBER')
		FROM pg_roles r WHERE r.rolname = CASE WHEN $1 = '' THEN current_user ELSE $1::name END`, login, role).Scan(&name, &member)
	if err != nil {
		return fmt.Errorf("look at the membership in %s: %w", role, err)
	}
	if member {
		return nil
	}
	if _, err := db.ExecContext(ctx, `GRANT `+role+` TO `+pgx.Identifier{name}.Sanitize()); err != nil && !raced(err) {
		return errs.Wrap(err, errs.Forbidden, "roles_not_granted", "The database login is not a member of the roles that MetaLens runs under.",
			"As an administrator, run: GRANT metalens_app, metalens_system TO <login>.")
	}
	return nil
}

// raced reports that another process made the same object first.
func raced(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "42710" || pg.Code == "23505" || pg.Code == "XX000")
}

// Login returns the name of the login behind a pool.
func Login(ctx context.Context, db *sql.DB) (string, error) {
	var name string
	if err := db.QueryRowContext(ctx, `SELECT session_user`).Scan(&name); err != nil {
		return "", fmt.Errorf("ask for the login: %w", err)
	}
	return name, nil
}

// Judge says what makes the service's login less safe than it could be, in
// words for the operator. It fails when the roles themselves could bypass
// row-level security, because then nothing would separate organizations.
func Judge(ctx context.Context, db *sql.DB) (warnings []string, err error) {
	var roles int
	err = db.QueryRowContext(ctx, `SELECT count(*) FROM pg_roles r
		WHERE r.rolname IN ('`+AppRole+`', '`+SystemRole+`') AND (r.rolsuper OR r.rolbypassrls
		OR EXISTS (SELECT FROM pg_class c WHERE c.relowner = r.oid AND c.relname = 'connections'))`).Scan(&roles)
	if err != nil {
		return nil, fmt.Errorf("look at the roles: %w", err)
	}
	if roles > 0 {
		return nil, errs.New(errs.Invalid, "roles_unsafe", "The role metalens_app or metalens_system may bypass row-level security.",
			"As an administrator, run: ALTER ROLE metalens_app NOSUPERUSER NOBYPASSRLS; ALTER ROLE metalens_system NOSUPERUSER NOBYPASSRLS; and let another role own the tables.")
	}
	var super, bypass, owner bool
	err = db.QueryRowContext(ctx, `SELECT r.rolsuper, r.rolbypassrls,
		EXISTS (SELECT FROM pg_class c WHERE c.relname = 'connections' AND c.relkind = 'r' AND c.relowner = r.oid)
		FROM pg_roles r WHERE r.rolname = session_user`).Scan(&super, &bypass, &owner)
	if err != nil {
		return nil, fmt.Errorf("look at the login: %w", err)
	}
	const advice = " Row-level security still binds, because every transaction runs as metalens_app or metalens_system; a login of its own is safer: set METALENS_DATABASE_URL to it and METALENS_ADMIN_DATABASE_URL to the owner."
	switch {
	case super:
		warnings = append(warnings, "The database login is a superuser."+advice)
	case bypass:
		warnings = append(warnings, "The database login may bypass row-level security."+advice)
	case owner:
		warnings = append(warnings, "The database login owns the tables."+advice)
	}
	return warnings, nil
}

// IsUnique reports a violated unique key.
func IsUnique(err error) bool { return hasCode(err, "23505") }

// IsForeignKey reports a reference to a row that does not exist.
func IsForeignKey(err error) bool { return hasCode(err, "23503") }

// IsBusy reports a lock or serialization conflict that a retry can solve.
func IsBusy(err error) bool { return hasCode(err, "40001", "40P01", "55P03") }

// IsFull reports that the disk is full.
func IsFull(err error) bool { return hasCode(err, "53100") }

// IsUnreachable reports a connection that broke.
func IsUnreachable(err error) bool {
	var connect *pgconn.ConnectError
	return errors.As(err, &connect) || hasCode(err, "57P01", "57P02", "57P03", "08000", "08003", "08006")
}

func hasCode(err error, codes ...string) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	for _, c := range codes {
		if pg.Code == c {
			return true
		}
	}
	return false
}

// GrantJobs lets both roles use the job queue's tables, which belong to no
// organization and hold ids only, and lets every login read the schema's
// version. It changes nothing where the rights are there already.
func GrantJobs(ctx context.Context, db *sql.DB) error {
	var granted bool
	err := db.QueryRowContext(ctx, `SELECT has_table_privilege('`+AppRole+`', 'river_job', 'INSERT')
		AND has_table_privilege('`+SystemRole+`', 'river_leader', 'DELETE')
		AND has_table_privilege('`+SystemRole+`', 'goose_db_version', 'SELECT')`).Scan(&granted)
	if err != nil {
		return fmt.Errorf("look at the rights on the job queue: %w", err)
	}
	if granted {
		return nil
	}
	for _, statement := range []string{
		`GRANT SELECT, INSERT, UPDATE ON river_job TO ` + AppRole,
		`GRANT USAGE, SELECT ON SEQUENCE river_job_id_seq TO ` + AppRole + `, ` + SystemRole,
		`GRANT SELECT, INSERT, UPDATE, DELETE ON river_job, river_leader, river_queue, river_client, river_client_queue TO ` + SystemRole,
		`GRANT SELECT ON river_migration, goose_db_version TO ` + AppRole + `, ` + SystemRole,
	} {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("grant rights on the job queue: %w", err)
		}
	}
	return nil
}
