package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"

	"github.com/metalens/metalens/internal/errs"
)

// The machine codes of failures on the way out.
const (
	CodeBlocked      = "address_blocked"
	CodePlainHTTP    = "plain_http"
	CodeUnreachable  = "unreachable"
	CodeTLSTooOld    = "tls_too_old"
	CodeTLSUntrusted = "tls_untrusted"
	CodeTimeout      = "timeout"
	CodeLedger       = "ledger_failed"
)

// explain turns a failure to reach host into an error with a public face. The
// cause stays wrapped. A cancelled context stays what it is.
func explain(ctx context.Context, err error, host string) error {
	var public *errs.Error
	if errors.As(err, &public) {
		return err
	}
	if errors.Is(err, context.Canceled) && errors.Is(ctx.Err(), context.Canceled) {
		return err
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		verify   *tls.CertificateVerificationError
		alert    tls.AlertError
		record   tls.RecordHeaderError
		dns      *net.DNSError
		netErr   net.Error
	)
	text := err.Error()
	switch {
	case errors.As(err, &hostname):
		return errs.Wrap(err, errs.Unavailable, CodeTLSUntrusted,
			"The certificate of "+host+" is made out for another name.",
			"Use the name that the certificate carries, or have the certificate renewed with this name.")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return errs.Wrap(err, errs.Unavailable, CodeTLSUntrusted,
			"The certificate of "+host+" is not valid at this time (expired, or this machine's clock is wrong).",
			"Renew the certificate, or set the clock.")
	case errors.As(err, &unknown), errors.As(err, &invalid), errors.As(err, &verify):
		return errs.Wrap(err, errs.Unavailable, CodeTLSUntrusted,
			"The certificate of "+host+" is signed by an authority that this machine does not know.",
			"If it comes from your company's own authority, add that authority's certificate (PEM) to the connection.")
	case errors.As(err, &alert) && alert == 70, strings.Contains(text, "protocol version"):
		return errs.Wrap(err, errs.Unavailable, CodeTLSTooOld,
			host+" does not speak TLS 1.3.",
			"Have the server or its proxy upgraded. Until then a person can accept TLS 1.2 for this connection.")
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &record):
		return errs.Wrap(err, errs.Unavailable, CodePlainHTTP,
			host+" answers plain HTTP on this port, not HTTPS.",
			"Use the port that speaks HTTPS. If there is none, use an http:// address and accept the exception.")
	case errors.As(err, &alert):
		return errs.Wrap(err, errs.Unavailable, CodeTLSUntrusted,
			host+" refused the encrypted connection.",
			"Check that the address is right and that the server needs no client certificate.")
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &netErr) && netErr.Timeout():
		return errs.Wrap(err, errs.Limited, CodeTimeout, host+" did not answer in time.",
			"Check the address and that a firewall lets this machine through; then try again.")
	case errors.As(err, &dns):
		return errs.Wrap(err, errs.Unavailable, CodeUnreachable, "The name "+host+" could not be resolved.",
			"Check the spelling of the address and this machine's DNS.")
	case errors.Is(err, syscall.ECONNREFUSED):
		return errs.Wrap(err, errs.Unavailable, CodeUnreachable, host+" refused the connection.",
			"Check the port, and that the server is running.")
	default:
		return errs.Wrap(err, errs.Unavailable, CodeUnreachable, host+" could not be reached.",
			"Check the address and the network between this machine and the server.")
	}
}
