// Package access says who acts and what they may do. Every edge (page, API,
// MCP, job, command) puts an [Actor] into the context; services ask for a role
// with [Require], and the store refuses an organization that is not the actor's.
//
// A context without an actor may do nothing that [Require] guards: an edge that
// forgets to say who acts is closed, not open.
package access

import (
	"context"
	"slices"

	"github.com/metalens/metalens/internal/errs"
)

// Role is what a member may do in an organization.
type Role string

// The roles, descending. Each may do what those below it may.
const (
	Owner  Role = "owner"  // everything, deletion of the organization included
	Admin  Role = "admin"  // connections, members, grants, settings
	Editor Role = "editor" // scans, triage
	Viewer Role = "viewer" // reads what was granted
)

// Rank orders roles; 0 is no role.
func (r Role) Rank() int {
	return slices.Index([]Role{Viewer, Editor, Admin, Owner}, r) + 1
}

// Kind says what acts.
type Kind string

// The kinds of actor.
const (
	Person Kind = "person" // a member in a browser session
	Token  Kind = "token"  // a personal access token of a member
	System Kind = "system" // a job, or a command of whoever holds the data directory
)

// The scopes of a token, each a part of what its member may.
const (
	ScopeRead      = "read"       // what a viewer sees
	ScopeScan      = "scan"       // start scans
	ScopeTriage    = "triage"     // ignore findings and take that back
	ScopeAdminRead = "admin:read" // what only admins see, such as the audit log; changes nothing
)

// Actor is who does something. The zero Actor may nothing.
type Actor struct {
	Kind Kind
	User string // empty for the system
	Org  string // empty for the system: it enters any
	Role Role
	// Scopes narrow a token below its member's role; nil for others.
	Scopes []string
}

// IsZero reports whether nobody acts.
func (a Actor) IsZero() bool { return a.Kind == "" }

// May reports whether the actor has at least a role.
func (a Actor) May(role Role) bool {
	return a.Kind == System || a.Role.Rank() > 0 && a.Role.Rank() >= role.Rank() && (a.Kind != Token || a.reaches(role))
}

// reaches reports whether one of a token's scopes is of a role's rank. What an
// owner alone may, no token may.
func (a Actor) reaches(role Role) bool {
	switch role {
	case Viewer:
		return len(a.Scopes) > 0
	case Editor:
		return a.Has(ScopeScan) || a.Has(ScopeTriage)
	case Admin:
		return a.Has(ScopeAdminRead)
	default:
		return false
	}
}

// Has reports whether a token has a scope; everybody else has all.
func (a Actor) Has(scope string) bool {
	return a.Kind == Person || a.Kind == System || a.Kind == Token && slices.Contains(a.Scopes, scope)
}

type key struct{}

// With returns a context in which a acts.
func With(ctx context.Context, a Actor) context.Context { return context.WithValue(ctx, key{}, a) }

// AsSystem returns a context in which the program itself acts, whoever acted
// before: for jobs, schedules and commands.
func AsSystem(ctx context.Context) context.Context { return With(ctx, Actor{Kind: System}) }

// From returns who acts; the zero Actor when nobody was named.
func From(ctx context.Context) Actor {
	a, _ := ctx.Value(key{}).(Actor)
	return a
}

// Require answers errs.Forbidden (code role) unless the actor of ctx has at
// least a role.
func Require(ctx context.Context, role Role) error {
	if From(ctx).May(role) {
		return nil
	}
	return errs.New(errs.Forbidden, "role", "Your role does not allow this.", "Ask an owner of the organization for the role “"+string(role)+"”.")
}

// RequireSystem answers errs.Forbidden (code role) unless the program itself acts:
// for what jobs and commands do and no member may ask for.
func RequireSystem(ctx context.Context) error {
	if From(ctx).Kind == System {
		return nil
	}
	return errs.New(errs.Forbidden, "role", "No member may do this.", "It is done by the program itself, or by a command on the server.")
}

// Nobody returns a context in which nobody acts, whoever acted before: for
// requests until it is known who asks.
func Nobody(ctx context.Context) context.Context { return With(ctx, Actor{}) }

// Enter answers errs.NotFound (code no_organization) when the actor of ctx
// belongs to another organization. A context that names nobody passes: the
// store's other locks still hold, and services ask [Require].
func Enter(ctx context.Context, org string) error {
	a := From(ctx)
	if a.IsZero() || a.Kind == System || a.Org == org {
		return nil
	}
	return errs.New(errs.NotFound, "no_organization", "There is no such organization.", "")
}
