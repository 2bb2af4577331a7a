package metabase

import (
	"context"
	"fmt"
	"strings"

	"github.com/metalens/metalens/internal/catalog"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/outbound"
)

// TestReport is the outcome of a connection test, in the order things were tried.
type TestReport struct {
	OK          bool
	Steps       []TestStep
	TLSVersion  string // "1.3", "1.2", "" on plain HTTP
	Identity    Identity
	Databases   int         // visible to the key; -1 when not told
	Collections int         // the same
	Unseen      []Unseen    // what the key will not show, and why
	Advice      []string    // nothing is wrong, but it could be better
	Exceptions  []Exception // what a person may accept to get past a problem
}

// TestStep is one thing the test tried.
type TestStep struct {
	Name   string // address, tls, metabase, credential, version, content
	OK     bool
	Detail string // safe to show
	Err    error  // an errs.Error where OK is false
}

// Unseen is something a key cannot read.
type Unseen struct {
	What string
	Why  string
	Hint string
}

// Exception is a relaxation that a person may accept.
type Exception struct {
	Kind   ExceptionKind
	Text   string // what it means, in words
	Detail string // for certificates: who issued it, for which names, until when, fingerprint
	PEM    string // for certificates: the last certificate of the chain the server showed
}

// ExceptionKind names a relaxation.
type ExceptionKind string

// The relaxations on offer.
const (
	ExceptionPlainHTTP ExceptionKind = "plain_http" // outbound.Config.AllowPlainHTTP
	ExceptionTLS12     ExceptionKind = "tls_1_2"    // outbound.Config.MinTLS12
	ExceptionCustomCA  ExceptionKind = "custom_ca"  // outbound.Config.RootCAs
)

// KeyGuide says, step by step, how to make a key with the least rights that a
// scan needs.
func KeyGuide() []string {
	return []string{
		"In Metabase, open Admin settings → People → Groups and create a group for MetaLens with nobody in it.",
		"Admin settings → Permissions → Collections: give the group View on the collections to be scanned (\"Our analytics\" includes those below only if you say so).",
		"Admin settings → Permissions → Data: give the group View data and Create queries (query builder is enough; native is needed to see SQL snippets) on the databases whose schema should be known. MetaLens never runs a query.",
		"Admin settings → Authentication → API keys: create a key named MetaLens in that group and copy it. It is shown once.",
		"Permissions, groups and everybody's subscriptions are shown to admins only. For those checks use a key of the Administrators group; it could change everything, so keep it as safe as an admin's password.",
		"Servers before 0.49 have no keys: log in as a person with these rights and copy the value of the cookie metabase.SESSION.",
	}
}

// tester collects a report.
type tester struct {
	c *Client
	TestReport
}

func (t *tester) ok(name, detail string) {
	t.Steps = append(t.Steps, TestStep{Name: name, OK: true, Detail: detail})
}

func (t *tester) fail(name string, err error) {
	text, _ := errs.PublicText(err)
	t.Steps = append(t.Steps, TestStep{Name: name, Detail: text, Err: err})
}

// Test tries a connection step by step and says what it found. It returns an
// error only when it could not run at all (cancelled); problems of the
// connection are in the report.
func (c *Client) Test(ctx context.Context) (TestReport, error) {
	t := &tester{c: c, TestReport: TestReport{Databases: -1, Collections: -1}}
	t.Identity.Instance.URL = c.URL()
	t.run(ctx)
	if err := ctx.Err(); err != nil {
		return t.TestReport, err
	}
	t.OK = true
	for _, s := range t.Steps {
		t.OK = t.OK && s.OK
	}
	return t.TestReport, nil
}

func (t *tester) run(ctx context.Context) {
	if !t.encryption(ctx) {
		return
	}
	id := &t.Identity
	noVersion := false
	if err := t.c.properties(ctx, id); err != nil {
		if !IsMissing(err) {
			t.fail(stepOf(err, "metabase"), err)
			t.offer(err)
			return
		}
		if err := t.c.looksLikeMetabase(ctx); err != nil {
			t.fail(stepOf(err, "metabase"), err)
			return
		}
		noVersion = true
	}
	if t.c.site.Scheme == "http" {
		t.ok("address", "The server answers.")
	}
	t.ok("metabase", "A Metabase answers at "+t.c.URL()+".")
	if !t.credential(ctx) {
		return
	}
	t.version(noVersion)
	t.content(ctx)
	t.unseen()
}

// encryption shakes hands with the server, before any credential is sent.
func (t *tester) encryption(ctx context.Context) bool {
	if t.c.site.Scheme != "https" {
		return true // the first request tells
	}
	report, err := t.c.transport.InspectTLS(ctx, t.c.site)
	if err != nil {
		t.fail(stepOf(err, "tls"), err)
		t.offer(err)
		return false
	}
	t.ok("address", "The server answers.")
	t.TLSVersion = report.Version
	cfg := t.c.cfg.Outbound
	good := true
	if report.Version != "1.3" {
		if cfg.MinTLS12 {
			t.Advice = append(t.Advice, "The server speaks TLS "+report.Version+", which was accepted as an exception. TLS 1.3 would be better.")
		} else {
			err := errs.New(errs.Unavailable, outbound.CodeTLSTooOld, "The server does not speak TLS 1.3, only "+report.Version+".",
				"Have the server or its proxy upgraded, or accept TLS 1.2 for this connection.")
			t.fail("tls", err)
			t.offer(err)
			good = false
		}
	}
	if !report.Trusted {
		err := errs.New(errs.Unavailable, outbound.CodeTLSUntrusted, "The server's certificate is not trusted on this machine"+whyUntrusted(report, t.c.site.Hostname(), t.c)+".",
			"If your company signs its own certificates, add its authority's certificate (PEM) to the connection.")
		t.fail("tls", err)
		t.Exceptions = append(t.Exceptions, certificateException(report))
		good = false
	}
	if good {
		t.ok("tls", "TLS "+report.Version+", certificate trusted.")
	}
	return good
}

func whyUntrusted(report outbound.TLSReport, host string, c *Client) string {
	if len(report.Chain) == 0 {
		return ""
	}
	leaf := report.Chain[0]
	switch now := c.cfg.Now(); {
	case now.After(leaf.NotAfter):
		return ": it expired on " + leaf.NotAfter.UTC().Format("2006-01-02")
	case now.Before(leaf.NotBefore):
		return ": it is valid only from " + leaf.NotBefore.UTC().Format("2006-01-02")
	case leaf.Subject == leaf.Issuer:
		return ": it is signed by nobody but itself"
	default:
		return fmt.Sprintf(": its authority is unknown, or it is not made out for %s", host)
	}
}

func certificateException(report outbound.TLSReport) Exception {
	out := Exception{
		Kind: ExceptionCustomCA,
		Text: "Trust a certificate authority of your own for this connection only. Compare the fingerprint with one you got another way before you accept what the server showed.",
	}
	if len(report.Chain) > 0 {
		leaf, last := report.Chain[0], report.Chain[len(report.Chain)-1]
		out.Detail = fmt.Sprintf("issued by %s for %s, valid until %s; topmost certificate shown: %s, SHA-256 %s",
			leaf.Issuer, strings.Join(leaf.Names, ", "), leaf.NotAfter.UTC().Format("2006-01-02"), last.Subject, last.Fingerprint)
		out.PEM = last.PEM
	}
	return out
}

// stepOf names the step that a failure belongs to.
func stepOf(err error, otherwise string) string {
	switch errs.CodeOf(err) {
	case outbound.CodeBlocked, outbound.CodeUnreachable, outbound.CodeTimeout:
		return "address"
	case outbound.CodePlainHTTP, outbound.CodeTLSTooOld, outbound.CodeTLSUntrusted:
		return "tls"
	case codeUnauthorized, codeForbidden:
		return "credential"
	default:
		return otherwise
	}
}

// offer adds the exception that would get past a problem.
func (t *tester) offer(err error) {
	switch errs.CodeOf(err) {
	case outbound.CodePlainHTTP:
		t.Exceptions = append(t.Exceptions, Exception{
			Kind: ExceptionPlainHTTP,
			Text: "Read this Metabase over plain HTTP. Whoever can listen on the network between sees the key and everything that is read. The exception is written to the audit log.",
		})
	case outbound.CodeTLSTooOld:
		t.Exceptions = append(t.Exceptions, Exception{
			Kind: ExceptionTLS12,
			Text: "Accept TLS 1.2 for this connection. It is still encrypted; some of its older ciphers are weaker. The exception is written to the audit log.",
		})
	}
}

func (t *tester) credential(ctx context.Context) bool {
	err := t.c.currentUser(ctx, &t.Identity)
	switch {
	case IsMissing(err):
		t.ok("credential", "The server does not tell as whom it is read.")
		return true
	case err != nil:
		t.fail("credential", err)
		return false
	}
	who := orText(t.Identity.ReaderName, "person "+t.Identity.Instance.Reader.PersonID)
	if t.Identity.Instance.Reader.Admin {
		t.ok("credential", "Accepted: "+who+", an admin.")
		t.Advice = append(t.Advice, "This key belongs to an admin and could change everything in Metabase. MetaLens cannot send anything but reads with it; still, a key with fewer rights is safer where permission checks are not needed.")
	} else {
		t.ok("credential", "Accepted: "+who+".")
	}
	return true
}

func (t *tester) version(missing bool) {
	i := t.Identity.Instance
	switch {
	case missing || !t.Identity.VersionKnown:
		t.ok("version", "The version is not known; everything is tried.")
	case i.Major < 46:
		t.ok("version", "Metabase "+i.Version+".")
		t.Advice = append(t.Advice, "Versions before 0.46 are not supported; parts of the scan may be missing.")
	default:
		t.ok("version", "Metabase "+i.Version+" ("+i.Edition+").")
	}
	if i.Major > 0 && i.Major < 50 {
		t.Advice = append(t.Advice, "Versions before 0.50 count no views per question and dashboard; checks on usage see less.")
	}
}

func (t *tester) content(ctx context.Context) {
	databases, gaps, err := t.c.Databases(ctx)
	if err == nil && !whole(gaps) {
		t.Databases = len(databases)
	}
	if err == nil {
		var collections []*catalog.Collection
		if collections, gaps, err = t.c.Collections(ctx); err == nil && !whole(gaps) {
			t.Collections = len(collections)
		}
	}
	if err != nil {
		t.fail("content", err)
		return
	}
	t.ok("content", fmt.Sprintf("The key sees %s and %s.", counted(t.Collections, "collection"), counted(t.Databases, "database")))
	if t.Databases == 0 {
		t.Unseen = append(t.Unseen, Unseen{
			What: "databases", Why: "the key's group has no access to any data",
			Hint: "Give the group View data on the databases whose schema should be known.",
		})
	}
	if t.Collections == 1 {
		t.Unseen = append(t.Unseen, Unseen{
			What: "collections", Why: "the key sees nothing but the root collection",
			Hint: "Give the group View on the collections to be scanned.",
		})
	}
}

func whole(gaps []catalog.Gap) bool {
	for _, g := range gaps {
		if g.Whole {
			return true
		}
	}
	return false
}

func counted(n int, noun string) string {
	switch {
	case n < 0:
		return "an unknown number of " + noun + "s"
	case n == 1:
		return "1 " + noun
	default:
		return fmt.Sprintf("%d %ss", n, noun)
	}
}

// unseen says what a key without admin rights will not show.
func (t *tester) unseen() {
	if t.Identity.Instance.Reader.Admin {
		return
	}
	t.Unseen = append(t.Unseen,
		Unseen{
			What: "people, groups and permissions", Why: "Metabase tells them to admins only",
			Hint: "Permission checks and deactivated owners stay not evaluated. Use an admin's key if you want them.",
		},
		Unseen{
			What: "other people's subscriptions and alerts", Why: "Metabase shows them to admins and to those concerned",
			Hint: "Content that is only mailed may look unused.",
		},
		Unseen{
			What: "collections and databases the key's group may not read", Why: "Metabase leaves them out of every list",
			Hint: "Compare the numbers above with what you know, and widen the group's permissions if something is missing.",
		},
	)
}
