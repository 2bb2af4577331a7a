// Package errs classifies failures once, so that every edge (HTTP status, exit
// code, job retry, tool result) translates them the same way.
//
// An [Error] carries a text that is safe to show to a person and a hint that
// says what to do next. Everything else is internal: edges show a generic text
// and log the detail.
package errs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Kind is the class of a failure.
type Kind string

// The kinds. Edges switch on these and on nothing else.
const (
	Internal     Kind = "internal"     // a defect of ours, or an unclassified error
	Invalid      Kind = "invalid"      // the caller's input or configuration is wrong
	NotFound     Kind = "not_found"    // the thing does not exist, or the caller may not know that it does
	Unauthorized Kind = "unauthorized" // no or wrong credentials
	Forbidden    Kind = "forbidden"    // known caller, not allowed
	Conflict     Kind = "conflict"     // the state moved, or a lock is held
	Unavailable  Kind = "unavailable"  // a remote side is unreachable, refuses or answers nonsense
	Limited      Kind = "limited"      // a rate, size or time limit was hit
	Canceled     Kind = "canceled"     // a person or a shutdown stopped it
)

// Error is a failure with a public face.
type Error struct {
	Kind   Kind
	Code   string // stable machine code, snake_case, for example "not_a_metabase"
	Public string // what happened and why, safe to show
	Hint   string // what to do next; may be empty
	Err    error  // the cause; never shown to users
}

// Error implements error with everything a log reader needs.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Public, e.Err)
	}
	return e.Public
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error without a cause.
func New(kind Kind, code, public, hint string) *Error {
	return &Error{Kind: kind, Code: code, Public: public, Hint: hint}
}

// Wrap returns an error with a cause that stays out of sight of users.
func Wrap(err error, kind Kind, code, public, hint string) *Error {
	return &Error{Kind: kind, Code: code, Public: public, Hint: hint, Err: err}
}

// KindOf classifies any error. Context cancellation is Canceled, an exceeded
// deadline Limited, everything unknown Internal.
func KindOf(err error) Kind {
	var e *Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Kind
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return Limited
	default:
		return Internal
	}
}

// CodeOf returns the machine code of err, or its kind where it has none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return string(KindOf(err))
}

// PublicText returns what may be shown to a person: the public text and hint of
// an [Error], a fixed text for anything else.
func PublicText(err error) (text, hint string) {
	var e *Error
	if errors.As(err, &e) {
		return e.Public, e.Hint
	}
	switch KindOf(err) {
	case Canceled:
		return "The operation was cancelled.", ""
	case Limited:
		return "The operation took too long and was stopped.", "Try again; if it repeats, raise the time limit."
	default:
		return "Something went wrong inside MetaLens.", "The log has the detail under this request's id."
	}
}

// HTTPStatus is the status that a failure has in HTTP. Invalid input is 422:
// understood and refused.
func HTTPStatus(err error) int {
	switch KindOf(err) {
	case Invalid:
		return http.StatusUnprocessableEntity
	case NotFound:
		return http.StatusNotFound
	case Unauthorized:
		return http.StatusUnauthorized
	case Forbidden:
		return http.StatusForbidden
	case Conflict:
		return http.StatusConflict
	case Unavailable:
		return http.StatusBadGateway
	case Limited:
		return http.StatusTooManyRequests
	case Canceled:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}
