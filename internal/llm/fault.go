package llm

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/metalens/metalens/internal/errs"
)

// The machine codes of failures.
const (
	CodeRequest   = "model_request"   // our own request was wrong
	CodeKey       = "model_key"       // the provider refuses the key
	CodeRights    = "model_rights"    // the key may not do this
	CodeCredit    = "model_credit"    // the account with the provider is empty
	CodeModel     = "model_unknown"   // no such model, or not for this key
	CodeBusy      = "model_busy"      // overloaded, or failing
	CodeRate      = "model_rate"      // asked too often
	CodeTooLong   = "model_too_long"  // more than the model can read
	CodeRefused   = "model_refused"   // the model does not answer this
	CodeCut       = "model_cut"       // the answer broke off
	CodeSlow      = "model_slow"      // the answer did not come in time
	CodeAnswer    = "model_answer"    // the answer is none that this protocol knows
	CodeOutput    = "model_output"    // the answer has not the shape that was asked for
	CodeOff       = "models_off"      // switched off by the organization or the operator
	CodeNoModel   = "models_none"     // no provider is set up
	CodeTokens    = "budget_tokens"   // no tokens left
	CodeMoney     = "budget_money"    // no money left
	CodeCallLimit = "model_limit"     // this call asks for more than one may
	CodeLoop      = "model_loop"      // a run goes round in circles, or is too long
	CodeBatch     = "model_batch"     // batches are not allowed, or a batch is gone
	CodeAddress   = "model_address"   // the address of the provider is not usable
	CodeProvider  = "models_provider" // there is no such provider
)

// Fault is what [Gateway] needs to know of a failed call, beside its public
// text. It is found in an error with errors.As.
type Fault struct {
	Retry     bool          // asking again may help
	After     time.Duration // how long the provider asks to wait; 0 = it does not say
	Delivered bool          // a part of the answer was handed on before
	Unbilled  bool          // the provider certainly charges nothing for it
	Status    int           // of HTTP; 0 when no answer came
	RequestID string        // the provider's name of the exchange
	Detail    string        // what the provider said; untrusted, for the log
	Err       error
}

// Error implements error, for logs.
func (f *Fault) Error() string {
	text := "model provider"
	if f.Status != 0 {
		text += ": status " + strconv.Itoa(f.Status)
	}
	if f.RequestID != "" {
		text += ", request " + f.RequestID
	}
	if f.Detail != "" {
		text += ": " + f.Detail
	}
	if f.Err != nil {
		text += ": " + f.Err.Error()
	}
	return text
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// FaultOf returns the [Fault] of an error, the zero Fault where it has none.
func FaultOf(err error) Fault {
	var f *Fault
	if errors.As(err, &f) {
		return *f
	}
	return Fault{}
}

// maxDetail bounds what is kept of a provider's words.
const maxDetail = 500

// Plain makes a line of untrusted text: no control, formatting or bidirectional
// characters, at most maxDetail bytes.
func Plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		if b.Len() >= maxDetail {
			b.WriteString("…")
			break
		}
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
		default:
			b.WriteRune(r)
		}
	}
	return strings.TrimSpace(b.String())
}

// Reason is a class of failure that providers have words of their own for.
type Reason string

// The reasons that a provider's answer gives for a failure.
const (
	ReasonKey     Reason = "key"
	ReasonRights  Reason = "rights"
	ReasonCredit  Reason = "credit"
	ReasonModel   Reason = "model"
	ReasonRate    Reason = "rate"
	ReasonBusy    Reason = "busy"
	ReasonTooLong Reason = "too_long"
	ReasonRefused Reason = "refused"
	ReasonRequest Reason = "request"
)

// Failed gives a provider's failure its public face. who is the provider's
// name for people, such as Anthropic.
func Failed(who string, why Reason, f Fault) error {
	kind, code, text, hint := errs.Unavailable, CodeBusy, who+" is overloaded or has a fault.", "Try again in a few minutes; the provider's status page tells more."
	switch why {
	case ReasonKey:
		kind, code, text, hint = errs.Unauthorized, CodeKey, who+" refused the API key.", "Enter a current key in the settings of the assistant and test it."
	case ReasonRights:
		kind, code, text, hint = errs.Forbidden, CodeRights, "The API key may not do this at "+who+".", "Give the key's project or workspace the right to use this model, or use another key."
	case ReasonCredit:
		kind, code, text, hint = errs.Limited, CodeCredit, "The account with "+who+" has no credit left, or has reached its own spending limit.", "Add credit or raise the limit with the provider. MetaLens asks again when somebody does."
	case ReasonModel:
		kind, code, text, hint = errs.Invalid, CodeModel, who+" knows no such model, or not for this key.", "Choose another model in the settings of the assistant."
	case ReasonRate:
		kind, code, text, hint = errs.Limited, CodeRate, who+" takes no more requests of this key at the moment.", "Wait a minute and try again. If it repeats, ask the provider for a higher rate limit."
	case ReasonTooLong:
		kind, code, text, hint = errs.Limited, CodeTooLong, "The request is longer than the model can read.", "Ask about less at a time, begin a new chat, or choose a model with a larger context."
	case ReasonRefused:
		kind, code, text, hint = errs.Invalid, CodeRefused, who+" or its filter declined to answer this.", "Ask in other words. Nothing else was affected."
	case ReasonRequest:
		kind, code, text, hint = errs.Unavailable, CodeRequest, who+" refused the request as malformed.", "The model or the service may not know a feature that MetaLens uses; choose another model. The log has the provider's words."
	case ReasonBusy:
	}
	f.Detail = Plain(f.Detail)
	return errs.Wrap(&f, kind, code, text, hint)
}

// ReasonOfStatus is what a status says where the body says nothing better.
func ReasonOfStatus(status int) Reason {
	switch {
	case status == http.StatusUnauthorized:
		return ReasonKey
	case status == http.StatusPaymentRequired:
		return ReasonCredit
	case status == http.StatusForbidden:
		return ReasonRights
	case status == http.StatusNotFound:
		return ReasonModel
	case status == http.StatusRequestEntityTooLarge:
		return ReasonTooLong
	case status == http.StatusTooManyRequests:
		return ReasonRate
	case status >= http.StatusInternalServerError:
		return ReasonBusy
	}
	return ReasonRequest
}

// Cut is an answer that broke off.
func Cut(who string, f Fault) error {
	f.Retry, f.Detail = true, Plain(f.Detail)
	return errs.Wrap(&f, errs.Unavailable, CodeCut, "The answer of "+who+" broke off before its end.", "Ask again. What came until then is incomplete.")
}

// Slow is an answer that did not come in time. what says which time ran out.
func Slow(who, what string, f Fault) error {
	f.Retry = true
	return errs.Wrap(&f, errs.Limited, CodeSlow, who+" took too long: "+what+".", "Try again, or choose a faster model. The operator can raise the limits of time.")
}

// TooSlow is an answer that was given its time; asking again would take as long.
func TooSlow(who, what string, f Fault) error {
	f.Retry = false
	return errs.Wrap(&f, errs.Limited, CodeSlow, who+" took too long: "+what+".", "Ask about less at a time, or choose a faster model.")
}

// Nonsense is an answer outside of the protocol.
func Nonsense(who, what string, f Fault) error {
	f.Detail = Plain(f.Detail)
	return errs.Wrap(&f, errs.Unavailable, CodeAnswer, "The answer of "+who+" cannot be used: "+what+".", "Check the address of the provider. If it is right, try again or choose another model.")
}
