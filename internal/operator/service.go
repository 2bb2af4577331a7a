package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"github.com/metalens/metalens/internal/access"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/store"
)

// Queue is what the console needs of the job queue.
type Queue interface {
	// List returns the newest jobs; of all organizations when org is empty.
	List(ctx context.Context, org store.OrgID, limit int) ([]jobs.Info, error)
	// Counts says how many there are of all organizations, by kind and state.
	Counts(ctx context.Context) ([]jobs.Count, error)
	// Cancel ends a job that waits or runs.
	Cancel(ctx context.Context, id int64) error
	// Retry lets a job that ended without success run again.
	Retry(ctx context.Context, id int64) error
}

// KeyState is where the master key is and how it is used.
type KeyState struct {
	Mode    string   // systemd-credential, descriptor, kms, key-file
	Where   string   // in words, without secrets
	Primary string   // id of the key that seals
	IDs     []string // all that open
	Single  bool     // single-user mode: the service's own user can read it
}

// Config is what a [Service] needs.
type Config struct {
	Store  *store.Store         // required
	Queue  Queue                // required
	Live   *Live                // required
	Keys   func() KeyState      // nil: the console says that it does not know
	Disk   func() (Disk, error) // nil: likewise
	Now    func() time.Time     // nil = time.Now
	Logger *slog.Logger         // nil = silent
	Since  time.Time            // when this process started
	Config func() [][2]string   // settings as `config check` prints them, secrets hidden; nil: not shown
}

// Service answers the console. It is safe for concurrent use.
type Service struct{ cfg Config }

// New returns a service.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Queue == nil || cfg.Live == nil {
		return nil, errors.New("operator: Store, Queue and Live are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg}, nil
}

// Disk is the space on the file system of the data directory, in bytes.
type Disk struct{ Free, Total int64 }

// Organization is a tenant with the size of what it has.
type Organization struct {
	store.Organization
	store.Footprint
	Members int
	// What models used this month (UTC), and calls of unknown price among it.
	AITokens  int64
	AIMicros  int64
	AIUnknown int64
	Problem   string // why its size is not known; the key may be gone
}

// Organizations lists the tenants by size, the largest first. Names of
// organizations are the only names the console shows.
func (s *Service) Organizations(ctx context.Context) ([]Organization, error) {
	ctx = access.AsSystem(ctx)
	var list []Organization
	err := s.cfg.Store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		orgs, err := tx.Organizations(ctx)
		if err != nil {
			return err
		}
		for _, o := range orgs {
			members, err := tx.Members(ctx, o.ID)
			if err != nil {
				return err
			}
			list = append(list, Organization{Organization: o, Members: len(members)})
		}
		spend, err := tx.AISpend(ctx, s.cfg.Now().UTC().Format("2006-01"))
		for _, line := range spend {
			for i := range list {
				if o := &list[i]; o.ID == line.Org {
					o.AITokens, o.AIMicros, o.AIUnknown = o.AITokens+line.Tokens.Total(), o.AIMicros+line.Micros, o.AIUnknown+line.UnknownCost
				}
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list organizations: %w", err)
	}
	for i := range list {
		err := s.cfg.Store.ViewOrg(ctx, list[i].ID, func(ctx context.Context, tx *store.Tx) (err error) {
			list[i].Footprint, err = tx.Footprint(ctx)
			return err
		})
		if err != nil {
			text, _ := errs.PublicText(err)
			list[i].Problem = text
		}
	}
	slices.SortStableFunc(list, func(a, b Organization) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list, nil
}

// JobCount is how many jobs of a kind are in a state.
type JobCount = jobs.Count

// Jobs returns the newest jobs and how many there are by kind and state.
func (s *Service) Jobs(ctx context.Context, limit int) ([]jobs.Info, []JobCount, error) {
	ctx = access.AsSystem(ctx)
	counts, err := s.cfg.Queue.Counts(ctx)
	if err != nil || limit <= 0 {
		return nil, counts, err
	}
	list, err := s.cfg.Queue.List(ctx, "", limit)
	if err != nil {
		return nil, nil, fmt.Errorf("list jobs: %w", err)
	}
	return list, counts, nil
}

// CancelJob ends a job.
func (s *Service) CancelJob(ctx context.Context, by store.UserID, id int64) error {
	return s.onJob(ctx, by, id, "job_cancelled", s.cfg.Queue.Cancel)
}

// RetryJob lets a job that failed run again.
func (s *Service) RetryJob(ctx context.Context, by store.UserID, id int64) error {
	return s.onJob(ctx, by, id, "job_retried", s.cfg.Queue.Retry)
}

func (s *Service) onJob(ctx context.Context, by store.UserID, id int64, action string, do func(context.Context, int64) error) error {
	ctx = access.AsSystem(ctx)
	if err := do(ctx, id); err != nil {
		return err
	}
	return s.cfg.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		return s.audit(ctx, tx, by, action, "job:"+strconv.FormatInt(id, 10), nil)
	})
}

// Storage is how much room everything takes.
type Storage struct {
	Engine   store.Engine
	Bytes    int64
	Tables   []store.TableSize // empty where the database cannot tell
	Disk     *Disk             // nil when not known
	Warnings []string          // what is less safe than it could be
}

// Size is how much room the database takes and what is free, without looking
// into it as [Service.Storage] does.
func (s *Service) Size(ctx context.Context) (bytes int64, disk *Disk, err error) {
	if bytes, err = s.cfg.Store.Size(ctx); err != nil {
		return 0, nil, err
	}
	if s.cfg.Disk != nil {
		if d, err := s.cfg.Disk(); err == nil {
			disk = &d
		}
	}
	return bytes, disk, nil
}

// Storage measures the database, table by table.
func (s *Service) Storage(ctx context.Context) (Storage, error) {
	out := Storage{Engine: s.cfg.Store.Engine(), Warnings: s.cfg.Store.Warnings()}
	var err error
	if out.Bytes, out.Disk, err = s.Size(ctx); err != nil {
		return out, err
	}
	if out.Tables, err = s.cfg.Store.TableSizes(ctx); err != nil {
		return out, err
	}
	return out, nil
}

// Keys says where the master key is; ok is false when that is not known.
func (s *Service) Keys() (state KeyState, ok bool) {
	if s.cfg.Keys == nil {
		return KeyState{}, false
	}
	return s.cfg.Keys(), true
}

// Controls returns what operators have set.
func (s *Service) Controls() Controls { return s.cfg.Live.Controls() }

// Configuration returns the settings with secrets hidden.
func (s *Service) Configuration() [][2]string {
	if s.cfg.Config == nil {
		return nil
	}
	return s.cfg.Config()
}

// Uptime is how long this process has run.
func (s *Service) Uptime() time.Duration { return s.cfg.Now().Sub(s.cfg.Since) }

// Operators lists the console's accounts.
func (s *Service) Operators(ctx context.Context) (list []store.User, err error) {
	err = s.cfg.Store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.Operators(ctx)
		return err
	})
	return list, err
}

// RemoveOperator deletes an account of the console; nobody deletes his own.
func (s *Service) RemoveOperator(ctx context.Context, by, id store.UserID) error {
	if by == id {
		return errs.New(errs.Conflict, "own_account", "You cannot remove your own account.", "Let another operator do it, or run metalens operator remove.")
	}
	return s.cfg.Store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		if err := tx.DeleteOperator(ctx, id); err != nil {
			return err
		}
		return s.audit(ctx, tx, by, "operator_removed", "user:"+string(id), nil)
	})
}

// audit writes what an operator did to the log that belongs to no organization.
func (s *Service) audit(ctx context.Context, tx *store.SystemTx, by store.UserID, action, target string, detail map[string]string) error {
	row := store.AuditRow{At: s.cfg.Now().UTC(), Actor: by, Action: action, Target: target, Source: "console"}
	if len(detail) > 0 {
		text, err := json.Marshal(detail)
		if err != nil {
			return fmt.Errorf("encode the audit row: %w", err)
		}
		row.Detail = string(text)
	}
	return tx.Audit(ctx, row)
}

// RetentionReports lists what retention deleted in all organizations, the newest
// first: counts, as proof.
func (s *Service) RetentionReports(ctx context.Context, limit int) (list []store.RetentionReport, err error) {
	err = s.cfg.Store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		list, err = tx.RetentionReports(ctx, limit)
		return err
	})
	return list, err
}
