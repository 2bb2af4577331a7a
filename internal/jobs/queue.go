package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/store"
)

// Queue enqueues and lists jobs. It needs no runner in this process.
type Queue struct {
	store  *store.Store
	client *river.Client[*sql.Tx]
}

// NewQueue returns the queue of a store.
func NewQueue(s *store.Store) (*Queue, error) {
	client, err := river.NewClient(driver(s, nil), &river.Config{})
	if err != nil {
		return nil, fmt.Errorf("open the job queue: %w", err)
	}
	return &Queue{store: s, client: client}, nil
}

// driver speaks to the queue's tables; without a pool it can only work inside
// transactions that it is given.
func driver(s *store.Store, db *sql.DB) riverdriver.Driver[*sql.Tx] {
	if s.Engine() == store.EnginePostgres {
		return riverdatabasesql.New(db)
	}
	return riversqlite.New(db)
}

// Enqueue adds a job in the caller's transaction: it exists when the
// transaction commits. fresh is false when one of the same kind, organization
// and connection is already waiting or running; its id is returned then.
func (q *Queue) Enqueue(ctx context.Context, tx *store.Tx, kind Kind, args Args) (id int64, fresh bool, err error) {
	return q.enqueue(ctx, tx, newArgs(kind, args, 0))
}

// EnqueueAttempts is Enqueue with another limit of attempts.
func (q *Queue) EnqueueAttempts(ctx context.Context, tx *store.Tx, kind Kind, args Args, attempts int) (id int64, fresh bool, err error) {
	return q.enqueue(ctx, tx, newArgs(kind, args, attempts))
}

func (q *Queue) enqueue(ctx context.Context, tx *store.Tx, args riverArgs) (int64, bool, error) {
	if args.Org == "" {
		args.Org = tx.Org()
	}
	if args.Org != tx.Org() {
		return 0, false, errs.New(errs.Internal, "foreign_job", "A job was enqueued for another organization.", "")
	}
	return q.insert(ctx, tx, args)
}

func (q *Queue) insert(ctx context.Context, tx Transaction, args riverArgs) (int64, bool, error) {
	result, err := q.client.InsertTx(ctx, tx.SQL(), args, nil)
	if err != nil {
		return 0, false, fmt.Errorf("enqueue a job: %w", err)
	}
	return result.Job.ID, !result.UniqueSkippedAsDuplicate, nil
}

// listScan is how many of the newest jobs List looks through.
const listScan = 2000

// List returns the newest jobs of an organization; of all organizations, for
// the operator, when org is empty.
func (q *Queue) List(ctx context.Context, org store.OrgID, limit int) ([]Info, error) {
	var list []Info
	err := q.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) error {
		result, err := q.client.JobListTx(ctx, tx.SQL(), river.NewJobListParams().
			OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(listScan))
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		for _, row := range result.Jobs {
			info, err := infoOf(row)
			if err != nil {
				return err
			}
			if (org == "" || info.Args.Org == org) && len(list) < limit {
				list = append(list, info)
			}
		}
		return nil
	})
	return list, err
}

// cancelPrefix is what the queue writes before the reason of a job that is not
// to be tried again.
const cancelPrefix = "JobCancelError: "

func infoOf(row *rivertype.JobRow) (Info, error) {
	info := Info{
		ID: row.ID, Kind: Kind(row.Kind), Attempt: row.Attempt, MaxAttempts: row.MaxAttempts,
		CreatedAt: row.CreatedAt.UTC(), ScheduledAt: row.ScheduledAt.UTC(),
	}
	if row.FinalizedAt != nil {
		info.FinishedAt = row.FinalizedAt.UTC()
	}
	if err := json.Unmarshal(row.EncodedArgs, &info.Args); err != nil {
		return Info{}, fmt.Errorf("read the arguments of job %d: %w", row.ID, err)
	}
	if n := len(row.Errors); n > 0 {
		info.LastError = strings.TrimPrefix(row.Errors[n-1].Error, cancelPrefix)
	}
	switch row.State {
	case rivertype.JobStateRunning:
		info.State = StateRunning
	case rivertype.JobStateRetryable:
		info.State = StateRetrying
	case rivertype.JobStateCompleted:
		info.State = StateDone
	case rivertype.JobStateDiscarded:
		info.State = StateFailed
	case rivertype.JobStateCancelled:
		info.State = StateCancelled
		if info.LastError != "" && !strings.HasPrefix(info.LastError, string(errs.Canceled)) {
			info.State = StateFailed
		}
	default:
		info.State = StateWaiting
	}
	return info, nil
}
