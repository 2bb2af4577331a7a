package outbound

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/ledger"
)

// TLSReport is what a server shows of itself in a TLS handshake.
type TLSReport struct {
	Version string // "1.3", "1.2"
	Trusted bool   // by the system's roots and the configured ones, for the asked name
	Chain   []Certificate
}

// Certificate describes one certificate of a chain, leaf first.
type Certificate struct {
	Subject     string
	Issuer      string
	Names       []string
	NotBefore   time.Time
	NotAfter    time.Time
	Fingerprint string // SHA-256, hexadecimal, in colon-separated pairs
	PEM         string
}

var errInspected = errors.New("handshake inspected") // sentinel

// InspectTLS shakes hands with the server of an https address, TLS 1.2 allowed
// and whatever its certificate, and tells what it saw. The handshake is broken
// off before anything else is sent: no request, no credential.
func (t *Transport) InspectTLS(ctx context.Context, site *url.URL) (TLSReport, error) {
	host := canonicalHost(site)
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, "https://"+host+"/", http.NoBody)
	if err != nil {
		return TLSReport{}, errs.Wrap(err, errs.Invalid, "bad_address", "The address is not usable.", "Write it as https://metabase.example.")
	}
	if err := t.allowed(req, host); err != nil {
		return TLSReport{}, err
	}
	var report TLSReport
	probe := t.secure.Clone()
	probe.DisableKeepAlives = true
	roots := probe.TLSClientConfig.RootCAs
	probe.TLSClientConfig.MinVersion = tls.VersionTLS12
	probe.TLSClientConfig.InsecureSkipVerify = true // nothing is sent: VerifyConnection always ends the handshake
	probe.TLSClientConfig.VerifyConnection = func(state tls.ConnectionState) error {
		report = describe(state, roots, site.Hostname(), t.dialer.cfg.Now())
		return errInspected
	}
	defer probe.CloseIdleConnections()

	started := t.dialer.cfg.Now()
	resp, err := probe.RoundTrip(req)
	if err == nil { // cannot be: the handshake never succeeds
		_ = resp.Body.Close()
		err = errors.New("handshake was not inspected")
	}
	if errors.Is(err, errInspected) || strings.Contains(err.Error(), errInspected.Error()) {
		err = nil
	} else {
		err = explain(ctx, err, host)
	}
	e := ledger.Entry{
		At: started, Purpose: t.dialer.cfg.Purpose, Method: "TLS", Host: host,
		Duration: t.dialer.cfg.Now().Sub(started),
	}
	if err != nil {
		e.Error = errs.CodeOf(err)
	}
	if rerr := t.dialer.record(ctx, e); rerr != nil {
		return TLSReport{}, t.stop(rerr)
	}
	return report, err
}

func describe(state tls.ConnectionState, roots *x509.CertPool, name string, now time.Time) TLSReport {
	report := TLSReport{Version: strings.TrimPrefix(tls.VersionName(state.Version), "TLS ")}
	between := x509.NewCertPool()
	for i, c := range state.PeerCertificates {
		if i > 0 {
			between.AddCert(c)
		}
		report.Chain = append(report.Chain, Certificate{
			Subject: c.Subject.String(), Issuer: c.Issuer.String(), Names: c.DNSNames,
			NotBefore: c.NotBefore, NotAfter: c.NotAfter, Fingerprint: fingerprint(c.Raw),
			PEM: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})),
		})
	}
	if len(state.PeerCertificates) > 0 {
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: roots, Intermediates: between, DNSName: name, CurrentTime: now,
		})
		report.Trusted = err == nil
	}
	return report
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	text := strings.ToUpper(hex.EncodeToString(sum[:]))
	var b strings.Builder
	for i := 0; i < len(text); i += 2 {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(text[i : i+2])
	}
	return b.String()
}
