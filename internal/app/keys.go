package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/jobs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/store"
)

// openBeside opens the store for writing while another process may serve from
// it. It migrates nothing then.
func openBeside(ctx context.Context, env Env, cfg config.Config, command string) (*core, error) {
	if !stateExists(cfg) {
		return nil, errs.New(errs.NotFound, "no_database", "There is no database in "+cfg.Data+" yet.", "Run metalens serve or metalens scan first.")
	}
	c, err := open(ctx, env, cfg, coreOptions{command: command, reads: true, policy: ownPolicy(cfg)})
	if err != nil || c.lock != nil || !cfg.DatabaseURL.IsZero() && c.store == nil {
		return c, err
	}
	if err := c.store.Close(); err != nil {
		return nil, err
	}
	c.store = nil
	if err := c.openStore(ctx, false); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

const jobKeyRotation jobs.Kind = "key_rotation"

// keyRotation goes on with rotations that were interrupted, wherever they began.
func keyRotation(s *store.Store) jobs.Handler {
	return jobs.Handler{Kind: jobKeyRotation, Timeout: 24 * time.Hour, MaxAttempts: 3, Run: func(ctx context.Context, _ jobs.Job) error {
		return s.ResumeRotations(ctx)
	}}
}

func keyRotations() jobs.Periodic {
	return jobs.Periodic{Kind: jobKeyRotation, Every: 5 * time.Minute, RunOnStart: true}
}

// KeysStatus is what metalens keys status prints.
type KeysStatus struct {
	Mode      keys.Mode        `json:"mode"`
	Place     string           `json:"place"`
	Meaning   string           `json:"meaning"`
	Master    []MasterKeyState `json:"master_keys"`
	Data      []DataKeyState   `json:"data_keys"`
	Rotations []RotationState  `json:"rotations"`
}

// MasterKeyState is one master key.
type MasterKeyState struct {
	ID     uint32    `json:"id"`
	State  string    `json:"state"` // active, retired, revoked
	Held   bool      `json:"held"`  // where the keys come from has it
	Values int64     `json:"values"`
	Since  time.Time `json:"since"`
}

// DataKeyState is how many values of an organization a data key seals.
type DataKeyState struct {
	Organization store.OrgID `json:"organization"`
	ID           uint32      `json:"id"`
	Values       int64       `json:"values"`
}

// RotationState is the last rotation of one key.
type RotationState struct {
	Organization store.OrgID `json:"organization,omitempty"` // empty = the master key
	State        string      `json:"state"`
	Key          uint32      `json:"key"`
	Done         int64       `json:"done"`
	Total        int64       `json:"total"`
	StartedAt    time.Time   `json:"started_at"`
	FinishedAt   *time.Time  `json:"finished_at,omitempty"`
}

// keysStatus gathers what there is to say of the keys.
func (c *core) keysStatus(ctx context.Context) (KeysStatus, error) {
	s := KeysStatus{Mode: c.keySource.Mode(), Place: c.keySource.Place(), Meaning: c.keySource.Mode().Explain()}
	usage, err := c.store.KeyUsage(ctx)
	if err != nil {
		return s, err
	}
	var master []store.MasterKey
	var rotations []store.Rotation
	err = c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if master, err = tx.MasterKeys(ctx); err != nil {
			return err
		}
		rotations, err = tx.Rotations(ctx)
		return err
	})
	if err != nil {
		return s, err
	}
	for _, k := range master {
		s.Master = append(s.Master, MasterKeyState{ID: k.ID, State: k.State, Held: c.keys.Has(k.ID), Values: usage.Master[k.ID], Since: k.ChangedAt})
	}
	for org, counts := range usage.Data {
		for id, n := range counts {
			s.Data = append(s.Data, DataKeyState{org, id, n})
		}
	}
	slices.SortFunc(s.Data, func(a, b DataKeyState) int {
		return strings.Compare(fmt.Sprint(a.Organization, " ", a.ID), fmt.Sprint(b.Organization, " ", b.ID))
	})
	for _, r := range rotations {
		state := RotationState{Organization: r.Org, State: string(r.State), Key: r.KeyID, Done: r.Done, Total: r.Total, StartedAt: r.StartedAt}
		if !r.FinishedAt.IsZero() {
			state.FinishedAt = &r.FinishedAt
		}
		s.Rotations = append(s.Rotations, state)
	}
	return s, nil
}

// KeysShow prints where the master key comes from, which keys there are and how
// far a rotation is. It works beside a server.
func KeysShow(ctx context.Context, env Env, loaded *config.Loaded, asJSON bool) (err error) {
	c, err := openBeside(ctx, env, quietly(loaded), "keys status")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.keysStatus(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		e := json.NewEncoder(env.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(s)
	}
	_, err = io.WriteString(env.Stdout, s.text())
	return err
}

func (s KeysStatus) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Master key: %s, %s\n  %s\n", s.Mode, s.Place, s.Meaning)
	for _, k := range s.Master {
		held := ""
		if !k.Held && k.State != "revoked" {
			held = ", NOT among the keys of this program"
		}
		fmt.Fprintf(&b, "  master key %-10d %-8s since %s, needed by %d values%s\n", k.ID, k.State, k.Since.Format(time.DateTime), k.Values, held)
	}
	b.WriteString("Data keys:\n")
	for _, k := range s.Data {
		fmt.Fprintf(&b, "  organization %s: key %-10d seals %d values\n", k.Organization, k.ID, k.Values)
	}
	for _, r := range s.Rotations {
		what := "the master key"
		if r.Organization != "" {
			what = "organization " + string(r.Organization)
		}
		fmt.Fprintf(&b, "Last rotation of %s: %s, %d of %d values, begun %s\n", what, r.State, r.Done, r.Total, r.StartedAt.Format(time.DateTime))
	}
	return b.String()
}

// KeysRotateOptions say what is rotated.
type KeysRotateOptions struct {
	Data bool   // the data keys instead of the master key
	Out  string // file for the new keyset, where the program cannot put it in place
}

// KeysRotate changes the master key, or the data keys. A server may run.
func KeysRotate(ctx context.Context, env Env, loaded *config.Loaded, o KeysRotateOptions) (err error) {
	c, err := openBeside(ctx, env, quietly(loaded), "keys rotate")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if o.Data {
		return c.rotateData(ctx)
	}
	return c.rotateMaster(ctx, o.Out)
}

func (c *core) rotateData(ctx context.Context) error {
	var orgs []store.Organization
	err := c.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		orgs, err = tx.Organizations(ctx)
		return err
	})
	if err != nil {
		return err
	}
	for _, o := range orgs {
		if err := c.store.RotateDataKey(ctx, o.ID, c.progress("Organization "+string(o.ID))); err != nil {
			return err
		}
	}
	c.env.Say("Done: everything is sealed by new data keys; the old ones are destroyed.")
	return nil
}

// progress prints how far a rotation is, at most each tenth of it.
func (c *core) progress(what string) func(store.Rotation) {
	last := int64(-1)
	return func(r store.Rotation) {
		tenth := int64(10)
		if r.State == store.RotationRunning && r.Total > 0 {
			tenth = r.Done * 10 / r.Total
		}
		if tenth == last {
			return
		}
		last = tenth
		c.env.Say("%s: %d of %d values", what, r.Done, r.Total)
	}
}

func (c *core) rotateMaster(ctx context.Context, out string) error {
	known, err := c.masterKeys(ctx)
	if err != nil {
		return err
	}
	next, found := c.newcomer(known)
	switch {
	case out != "" && !c.keySource.Writable():
		return c.nextKeyset(out)
	case !found && !c.keySource.Writable():
		return errs.New(errs.Invalid, "key_not_ours", "The master key comes from "+c.keySource.Place()+", where this program cannot replace it.",
			"Run metalens keys rotate --out FILE, put that file where the key comes from, restart MetaLens, and run metalens keys rotate again. See docs/guide/keys.md.")
	case out != "":
		return errs.New(errs.Invalid, "key_ours", "--out is for keys that come from outside; this one is replaced in its place.", "Run metalens keys rotate.")
	case !found:
		set, err := c.keys.Rotate()
		if err != nil {
			return err
		}
		// Durable before anything is sealed by it.
		if err := c.keySource.Save(ctx, set); err != nil {
			return err
		}
		if err := c.store.AddMasterKeys(set); err != nil {
			return err
		}
		c.keys, next = set, set.Primary()
	}
	if err := c.store.RotateMasterKey(ctx, next, c.progress("Master key")); err != nil {
		return err
	}
	c.env.Say("Done: master key %d seals. Earlier ones still open: backups made before now need them.", next)
	for _, k := range known {
		if k.ID != next && k.State != "revoked" {
			c.env.Say("  When no such backup is needed any more: metalens keys revoke %d", k.ID)
		}
	}
	return nil
}

func (c *core) masterKeys(ctx context.Context) (list []store.MasterKey, err error) {
	// A writing transaction notes the key of a database that knows none yet.
	err = c.store.InSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		list, err = tx.MasterKeys(ctx)
		return err
	})
	return list, err
}

// newcomer finds the key to rotate to among those that the program holds: one of
// a rotation that was interrupted, or one that the operator put in place.
func (c *core) newcomer(known []store.MasterKey) (id uint32, found bool) {
	for _, id := range c.keys.IDs() {
		at := slices.IndexFunc(known, func(k store.MasterKey) bool { return k.ID == id })
		if at < 0 {
			return id, true
		}
	}
	return 0, false
}

// nextKeyset writes the keys with a new one for the operator.
func (c *core) nextKeyset(out string) error {
	set, err := c.keys.Rotate()
	if err != nil {
		return err
	}
	if err := writeSecret(out, set.Text().Expose()); err != nil {
		return err
	}
	c.env.Say("%s holds the present keys and a new one, %d. Nothing is changed yet.", out, set.Primary())
	c.env.Say("  1. Put it where the key comes from (%s) on every machine, and delete the copy.", c.keySource.Place())
	c.env.Say("  2. Restart MetaLens everywhere: it opens with all keys and still seals with the old one.")
	c.env.Say("  3. Run metalens keys rotate with the new keys: it makes key %d seal.", set.Primary())
	c.env.Say("  4. When no backup from before is needed: metalens keys revoke, and take the old line out of the file.")
	return nil
}

// KeysRevoke forbids a master key that does not seal any more, and destroys it
// where the program keeps it. confirm repeats its id; when it is empty the
// person is asked.
func KeysRevoke(ctx context.Context, env Env, loaded *config.Loaded, id uint32, confirm string) (err error) {
	c, err := openBeside(ctx, env, quietly(loaded), "keys revoke")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if confirm == "" {
		env.Say("Backups that were made while master key %d was in use cannot be read without it.", id)
		env.Say("Type its id to destroy it:")
		if confirm, err = readAnswer(env.Stdin); err != nil {
			return err
		}
	}
	if strings.TrimSpace(confirm) != strconv.FormatUint(uint64(id), 10) {
		return errs.New(errs.Invalid, "not_confirmed", "The key was not revoked: its id was not repeated.", "Run the command again, or give --confirm with the id.")
	}
	if err := c.store.RevokeMasterKey(ctx, id); err != nil {
		return err
	}
	if !c.keys.Has(id) {
		env.Say("Done: master key %d is revoked.", id)
		return nil
	}
	if !c.keySource.Writable() {
		env.Say("Done: master key %d is revoked; MetaLens uses it no more. Take its line out of %s to destroy it.", id, c.keySource.Place())
		return nil
	}
	active, ok := c.keys.Sealing(c.store.MasterIDs()[0])
	if !ok {
		return errs.New(errs.Internal, "key_lost", "The sealing key is not among the master keys.", "")
	}
	rest, err := active.Without(id)
	if err != nil {
		return err
	}
	if err := c.keySource.Save(ctx, rest); err != nil {
		return err
	}
	env.Say("Done: master key %d is revoked and destroyed.", id)
	return nil
}
