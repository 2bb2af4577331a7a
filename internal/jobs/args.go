package jobs

import (
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/metalens/metalens/internal/store"
)

// riverArgs is Args as the queue stores it, with a kind that is known at run
// time only. Organization and connection make a job unique.
type riverArgs struct {
	Org        store.OrgID        `json:"org" river:"unique"`
	Connection store.ConnectionID `json:"connection,omitempty" river:"unique"`
	Scan       store.ScanID       `json:"scan,omitempty"`
	Item       string             `json:"item,omitempty" river:"unique"`
	Sealed     string             `json:"sealed,omitempty"`

	kind     Kind
	attempts int
}

func newArgs(kind Kind, args Args, attempts int) riverArgs {
	return riverArgs{Org: args.Org, Connection: args.Connection, Scan: args.Scan, Item: args.Item, Sealed: args.Sealed, kind: kind, attempts: attempts}
}

func (a riverArgs) args() Args {
	return Args{Org: a.Org, Connection: a.Connection, Scan: a.Scan, Item: a.Item, Sealed: a.Sealed}
}

// Kind implements [river.JobArgs].
func (a riverArgs) Kind() string { return string(a.kind) }

// InsertOpts implements [river.JobArgsWithInsertOpts].
func (a riverArgs) InsertOpts() river.InsertOpts {
	attempts := a.attempts
	if attempts <= 0 {
		attempts = defaultAttempts
	}
	return river.InsertOpts{
		MaxAttempts: attempts,
		UniqueOpts: river.UniqueOpts{
			ByArgs: true,
			ByState: []rivertype.JobState{
				rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
				rivertype.JobStateRunning, rivertype.JobStateScheduled,
			},
		},
	}
}
