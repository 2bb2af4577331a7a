// Package storetest is the conformance suite of the store: what holds on one
// engine holds on the other.
package storetest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/store"
)

// Opener opens a new, empty store that the test closes, and opens the same
// database again when it is called with the same name.
type Opener func(t testing.TB, name string, cfg store.Config) *store.Store

// Run runs the whole suite.
func Run(t *testing.T, open Opener) {
	tests := []struct {
		name string
		run  func(*testing.T, Opener)
	}{
		{"organizations", testOrganizations},
		{"users", testUsers},
		{"sessions", testSessions},
		{"throttle", testThrottle},
		{"known devices", testDevices},
		{"factors", testFactors},
		{"recovery codes", testRecoveryCodes},
		{"change of address", testEmailChange},
		{"access tokens", testAccessTokens},
		{"identities of single sign-on", testSSOIdentities},
		{"invitations", testInvitations},
		{"password resets", testPasswordResets},
		{"expired records of accounts", testExpiredAccounts},
		{"list of members", testMemberList},
		{"connections", testConnections},
		{"credentials", testCredentials},
		{"scans", testScans},
		{"abandoned scans", testAbandon},
		{"stages", testStages},
		{"schedules", testSchedules},
		{"settings", testSettings},
		{"own reads", testOwnReads},
		{"grants", testGrants},
		{"ledger", testLedger},
		{"recorder", testRecorder},
		{"audit", testAudit},
		{"chain", testChain},
		{"chain of several writers", testChainConcurrent},
		{"chain without what was rolled back", testChainRollback},
		{"chain beyond retention", testChainPrune},
		{"payloads", testPayloads},
		{"payloads as a hash", testPayloadHash},
		{"filters of the logs", testLogFilters},
		{"transactions", testTransactions},
		{"snapshot fields", testSnapshotFields},
		{"snapshot sequence", testSnapshotSequence},
		{"snapshot atomicity", testSnapshotAtomic},
		{"snapshot counts", testSnapshotCounts},
		{"asset history", testAssetHistory},
		{"changes", testChanges},
		{"usage", testUsage},
		{"lineage", testLineage},
		{"lineage rules", testLineageRules},
		{"parse results", testParseResults},
		{"findings life", testFindingsLife},
		{"findings not evaluated", testFindingsNotEvaluated},
		{"findings ignore", testFindingsIgnore},
		{"findings queries", testFindingsQueries},
		{"search", testSearch},
		{"search text is no syntax", testSearchHostile},
		{"retention", testRetention},
		{"gone means gone", testGone},
		{"operators", testOperators},
		{"system settings", testSystemSettings},
		{"footprint", testFootprint},
		{"AI settings", testAISettings},
		{"AI budget", testAIBudget},
		{"AI calls of processes that ended", testAILost},
		{"AI outputs", testAIOutputs},
		{"AI retention", testAIRetention},
		{"chats", testChats},
		{"sensitivity rules", testSensitivityRules},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// Clock is a clock that tests set.
type Clock struct {
	mu sync.Mutex
	at time.Time
}

// NewClock starts at a fixed time.
func NewClock() *Clock { return &Clock{at: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)} }

// Now returns the clock's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

// Add moves the clock.
func (c *Clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// World is a store with one organization and one connection.
type World struct {
	T     testing.TB
	Store *store.Store
	Keys  *keys.Keyset
	Clock *Clock
	Org   store.OrgID
	Conn  store.ConnectionID
}

// NewWorld opens a store and fills in the organization and the connection.
func NewWorld(t testing.TB, open Opener) *World {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	w := &World{T: t, Keys: set, Clock: NewClock()}
	w.Store = open(t, t.Name(), store.Config{Keys: set, Now: w.Clock.Now})
	w.Org = w.NewOrg("Acme")
	w.Conn = w.NewConnection("Main")
	return w
}

// NewOrg makes an organization.
func (w *World) NewOrg(name string) store.OrgID {
	w.T.Helper()
	var id store.OrgID
	w.System(func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: name})
		id = o.ID
		return err
	})
	return id
}

// NewConnection makes a connection in the world's organization.
func (w *World) NewConnection(name string) store.ConnectionID {
	w.T.Helper()
	var id store.ConnectionID
	w.In(func(ctx context.Context, tx *store.Tx) error {
		c, err := tx.InsertConnection(ctx, store.Connection{Name: name, URL: "https://metabase.example.com", Auth: store.AuthAPIKey})
		id = c.ID
		return err
	})
	return id
}

// In runs fn in the world's organization and fails the test on error.
func (w *World) In(fn func(ctx context.Context, tx *store.Tx) error) {
	w.T.Helper()
	if err := w.Store.InOrg(context.Background(), w.Org, fn); err != nil {
		w.T.Fatalf("InOrg: %v", err)
	}
}

// View is In for reading.
func (w *World) View(fn func(ctx context.Context, tx *store.Tx) error) {
	w.T.Helper()
	if err := w.Store.ViewOrg(context.Background(), w.Org, fn); err != nil {
		w.T.Fatalf("ViewOrg: %v", err)
	}
}

// System runs fn in the system role and fails the test on error.
func (w *World) System(fn func(ctx context.Context, tx *store.SystemTx) error) {
	w.T.Helper()
	if err := w.Store.InSystem(context.Background(), fn); err != nil {
		w.T.Fatalf("InSystem: %v", err)
	}
}

// Commit runs a whole scan: committed, finished, and an hour later.
func (w *World) Commit(s *catalog.Snapshot) (store.Scan, store.ChangeCounts) {
	w.T.Helper()
	var scan store.Scan
	var counts store.ChangeCounts
	w.In(func(ctx context.Context, tx *store.Tx) error {
		var err error
		if scan, err = tx.InsertScan(ctx, store.Scan{ConnectionID: w.Conn, State: store.ScanRunning, Trigger: "manual"}); err != nil {
			return err
		}
		if counts, err = tx.CommitSnapshot(ctx, scan.ID, s); err != nil {
			return err
		}
		if err = tx.FinishScan(ctx, scan.ID, store.ScanSucceeded, "", ""); err != nil {
			return err
		}
		scan, err = tx.Scan(ctx, scan.ID)
		return err
	})
	w.Clock.Add(time.Hour)
	return scan, counts
}

// Load loads a snapshot.
func (w *World) Load(id store.ScanID) *catalog.Snapshot {
	w.T.Helper()
	var s *catalog.Snapshot
	w.View(func(ctx context.Context, tx *store.Tx) error {
		var err error
		s, err = tx.LoadSnapshot(ctx, id)
		return err
	})
	return s
}

// wantKind fails unless err is of a kind, and of a code unless that is empty.
func wantKind(t testing.TB, err error, kind errs.Kind, code string) {
	t.Helper()
	if errs.KindOf(err) != kind || (code != "" && errs.CodeOf(err) != code) {
		t.Errorf("got error %v (%s, %s), want %s %s", err, errs.KindOf(err), errs.CodeOf(err), kind, code)
	}
}

func wantEqual(t testing.TB, want, got any, opts ...cmp.Option) {
	t.Helper()
	if diff := cmp.Diff(want, got, append(opts, cmpopts.EquateEmpty())...); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// Fill sets every field of what a pointer points to, so that a test notices one
// that is lost.
func Fill(pointer any) {
	n := 0
	fill(reflect.ValueOf(pointer).Elem(), &n)
}

// fill sets every field of v to something that is not zero and differs with n.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2025, 1, 1, 0, 0, *n, 123456000, time.UTC)))
		return
	case []byte:
		v.SetBytes([]byte("x"))
		return
	}
	if v.Type().String() == "json.RawMessage" {
		v.SetBytes(fmt.Appendf(nil, `["field",{"a<b>&":%d},null]`, *n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprintf("é<%d>\u2028\x00", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Float64:
		v.SetFloat(float64(*n) + 0.25)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), n)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range 2 {
			key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
			fill(key, n)
			fill(value, n)
			v.SetMapIndex(key, value)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), n)
			}
		}
	default:
		panic("storetest: a field of kind " + v.Kind().String() + " needs a case in fill")
	}
}
