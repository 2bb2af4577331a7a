// Package connections is the pages about connections: list, create, test, edit,
// replace the key, delete.
//
// A key that was entered is never shown again, not even to its author.
package connections

import (
	"context"
	"time"

	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/store"
)

// Service is what the pages need of connections.
type Service interface {
	Connections(ctx context.Context, org store.OrgID) ([]store.Connection, error)
	// Connection answers errs.NotFound for an id of another organization too.
	Connection(ctx context.Context, org store.OrgID, id store.ConnectionID) (store.Connection, error)
	// TestConnection tries a draft without storing anything. A draft with an ID
	// and without a key is tried with the stored key. What is wrong with the
	// Metabase or the key is in the report; an error means that the test itself
	// could not run.
	TestConnection(ctx context.Context, org store.OrgID, d Draft) (Report, error)
	// CreateConnection stores a draft with its key, encrypted.
	CreateConnection(ctx context.Context, org store.OrgID, by store.UserID, d Draft) (store.Connection, error)
	// UpdateConnection replaces everything but the key; a key in the draft
	// replaces that too.
	UpdateConnection(ctx context.Context, org store.OrgID, by store.UserID, d Draft) error
	// DeleteConnection removes a connection with its key and everything read.
	DeleteConnection(ctx context.Context, org store.OrgID, by store.UserID, id store.ConnectionID) error
}

// Draft is a connection as a form states it.
type Draft struct {
	ID       store.ConnectionID // empty for a new one
	Name     string
	URL      string
	Auth     store.AuthKind
	Key      secret.Value // empty = keep the stored one
	Options  store.ConnectionOptions
	Schedule string
}

// Report is the result of a connection test.
type Report struct {
	Reachable bool   // something answered
	URL       string // the address that was asked, after cleaning
	TLS       string // "TLS 1.3"; empty over plain HTTP
	Version   string // "v0.58.2"; empty when the server does not say
	Edition   string // "open source", "enterprise"; empty when unknown
	Reader    string // display name of who the key reads as
	Admin     bool
	Sees      []Fact
	Misses    []Miss
	Problems  []Problem
	Took      time.Duration
}

// OK reports whether a scan can run.
func (r Report) OK() bool { return r.Reachable && len(r.Problems) == 0 }

// Fact is a number of things the key can see.
type Fact struct {
	What  string // "collections"
	Count int
}

// Miss is something the key will not see, and why.
type Miss struct {
	What string
	Why  string
}

// Problem is one thing that keeps a scan from running.
type Problem struct {
	Code      string
	Text      string
	Hint      string
	Exception Exception // what accepting would solve it; empty for none
}

// Exception is a departure from the safe default that a person may accept.
type Exception string

// The exceptions on offer.
const (
	ExceptionPlainHTTP Exception = "plain_http"
	ExceptionTLS12     Exception = "tls_12"
	ExceptionCustomCA  Exception = "custom_ca"
)
