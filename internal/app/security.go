package app

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/metalens/metalens/internal/ai"
	"github.com/metalens/metalens/internal/auth"
	"github.com/metalens/metalens/internal/config"
	"github.com/metalens/metalens/internal/connection"
	"github.com/metalens/metalens/internal/errs"
	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/metabase"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/posture"
	"github.com/metalens/metalens/internal/store"
)

// securityPages implements the Security & data page: it states what holds here,
// from the settings this server runs with and from its records.
type securityPages struct{ *server }

// Posture implements the page's service.
func (p securityPages) Posture(ctx context.Context, viewer auth.Identity) (*posture.Report, error) {
	var org store.Organization
	var members []store.MemberFactors
	err := p.store.ViewSystem(ctx, func(ctx context.Context, tx *store.SystemTx) (err error) {
		if org, err = tx.Organization(ctx, viewer.Org); err != nil {
			return err
		}
		members, err = tx.MemberFactors(ctx, viewer.Org)
		return err
	})
	if err != nil {
		return nil, err
	}
	var conns []connectionFacts
	err = p.store.ViewOrg(ctx, viewer.Org, func(ctx context.Context, tx *store.Tx) (err error) {
		conns, err = connectionsOf(ctx, tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range conns { // who sees a part is not told how much was read
		scope, err := p.library.scope(ctx, viewer.Org, conns[i].ID)
		if err != nil {
			return nil, err
		}
		if last := conns[i].last; scope != nil && last != nil {
			part := partOfScan(*last)
			conns[i].last = &part
		}
	}
	r := &posture.Report{SchemaVersion: 1, At: p.env.Now().UTC(), Version: Version, Organization: org.Name}
	r.Add(p.reads(conns))
	r.Add(neverTouched())
	exceptions, err := p.exceptions(ctx, viewer.Org, conns)
	if err != nil {
		return nil, err
	}
	r.Add(exceptions)
	models, err := p.models.settings.Status(ctx, viewer.Org)
	if err != nil {
		return nil, err
	}
	r.Add(p.leaves(conns, models))
	section, err := p.modelSection(ctx, viewer.Org, models)
	if err != nil {
		return nil, err
	}
	r.Add(section)
	r.Add(p.keysSection())
	r.Add(p.network())
	r.Add(p.people(members))
	retention, err := p.retentionSection(ctx, viewer.Org)
	if err != nil {
		return nil, err
	}
	r.Add(retention)
	evidence, err := p.evidence(ctx, viewer.Org)
	if err != nil {
		return nil, err
	}
	r.Add(evidence)
	return r, nil
}

type connectionFacts struct {
	store.Connection
	last *store.Scan // newest succeeded one; nil before it
}

func connectionsOf(ctx context.Context, tx *store.Tx) ([]connectionFacts, error) {
	list, err := tx.Connections(ctx)
	if err != nil {
		return nil, err
	}
	var out []connectionFacts
	for _, c := range list {
		f := connectionFacts{Connection: c}
		switch scan, err := tx.LatestScan(ctx, c.ID); {
		case err == nil:
			f.last = &scan
		case errs.KindOf(err) != errs.NotFound:
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// reads says which requests can be made, and how often the last scans made them.
func (p securityPages) reads(conns []connectionFacts) posture.Section {
	routes := metabase.AllowedRoutes()
	asked, total, bytes := map[string]int{}, 0, int64(0)
	scanned := 0
	for _, c := range conns {
		if c.last == nil {
			continue
		}
		scanned++
		total += c.last.Summary.Requests.Total
		bytes += c.last.Summary.Requests.Bytes
		for route, n := range c.last.Summary.Requests.ByRoute {
			asked[route] += n
		}
	}
	s := posture.Section{
		ID: "reads", Title: "What is read",
		Intro: "The reader can form these requests and no others. Counts are those of the last scan of each connection.",
		Facts: []posture.Fact{
			{Label: "Kind of request", Value: "GET only, on " + fmt.Sprint(len(routes)) + " routes", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/metabase: TestEveryRouteIsSafe"},
			{Label: "Writing to Metabase", Value: "not part of this version", State: posture.Fine, Source: posture.BuiltIn},
			{Label: "Connections", Value: fmt.Sprintf("%d, %d of them scanned", len(conns), scanned), State: posture.Fine, Source: posture.Records},
			{Label: "Last scans", Value: fmt.Sprintf("%d requests, %d bytes read", total, bytes), State: posture.Fine, Source: posture.Records, Proof: "page Egress"},
		},
		Table: &posture.Table{Caption: "Routes", Columns: []string{"Route", "What is taken from it", "Last scans"}, Numbers: []bool{false, false, true}},
	}
	for _, r := range routes {
		s.Table.Rows = append(s.Table.Rows, []string{"GET " + r.Pattern, r.Reads, fmt.Sprint(asked[r.Pattern])})
	}
	for _, c := range conns {
		what := "kept word for word, sealed"
		if c.Options.MaskLiterals {
			what = "literals are kept as keyed hashes"
		}
		detail := "personal collections are left out"
		state := posture.Fine
		if c.Options.IncludePersonal {
			detail, state = "personal collections are read, as an owner asked", posture.Notice
		}
		s.Facts = append(s.Facts, posture.Fact{Label: "SQL of " + c.Name, Value: what, Detail: detail, State: state, Source: posture.Configuration})
	}
	return s
}

func neverTouched() posture.Section {
	const canaries = "internal/metabase: TestCanaries"
	never := func(label, how, proof string) posture.Fact {
		return posture.Fact{Label: label, Value: "never kept", Detail: how, State: posture.Fine, Source: posture.BuiltIn, Proof: proof}
	}
	return posture.Section{
		ID: "never", Title: "What is never touched",
		Intro: "Dropped while an answer is decoded, before anything else sees it. A test plants a marker in every such field and looks for it everywhere.",
		Facts: []posture.Fact{
			never("Rows and query results", "no route that runs a query is on the list", "internal/metabase: TestEveryRouteIsSafe"),
			never("Fingerprints, sample and field values", "", canaries),
			never("Cached results and parameter values", "", canaries),
			never("Recipients' addresses", "their number stays", canaries),
			never("Public links' and embedding secrets", "that there is one stays", canaries),
			never("Connection details of databases", "", canaries),
			never("Names and addresses of people", "pseudonymous ids stay", canaries),
			{Label: "Usage figures for the makers", Value: "none are sent", State: posture.Fine, Source: posture.BuiltIn, Proof: "no connection to a host that was not configured, for every command"},
		},
	}
}

// exceptions lists what somebody accepted that is weaker than the default.
func (p securityPages) exceptions(ctx context.Context, org store.OrgID, conns []connectionFacts) (posture.Section, error) {
	list, err := p.connections.Exceptions(ctx, org)
	if err != nil {
		return posture.Section{}, err
	}
	accepted := map[store.ConnectionID][]string{}
	for _, a := range list {
		accepted[a.Connection] = a.Options
	}
	s := posture.Section{ID: "exceptions", Title: "Accepted exceptions", Intro: "Each was accepted by a person and is in the audit log."}
	add := func(name, what string, on bool) {
		if on {
			s.Facts = append(s.Facts, posture.Fact{Label: name, Value: what, State: posture.Notice, Source: posture.Configuration, Proof: "page Connections"})
		}
	}
	for _, c := range conns {
		for _, option := range accepted[c.ID] {
			switch option {
			case connection.OptionPlainHTTP:
				add(c.Name, "plain HTTP: the key and what is read cross the network unprotected", !loopbackURL(c.URL))
			case connection.OptionTLS12:
				add(c.Name, "TLS 1.2 is accepted", true)
			case connection.OptionCustomCA:
				add(c.Name, "an own certificate authority is trusted", true)
			case connection.OptionPersonal: // stands with what is read
			default:
				add(c.Name, option, true)
			}
		}
		add(c.Name, "goes through the proxy "+hostOf(c.Options.ProxyURL), c.Options.ProxyURL != "")
	}
	add("Mail", "TLS 1.2 is accepted", p.config.Mail.TLS12)
	add("Single sign-on", "TLS 1.2 is accepted", p.config.OIDC.TLS12)
	add("PostgreSQL", "the connection does not verify the server's certificate", unverifiedDatabase(p.config))
	if len(s.Facts) == 0 {
		s.Facts = []posture.Fact{{Label: "Exceptions", Value: "none", State: posture.Fine, Source: posture.Configuration}}
	}
	return s, nil
}

func loopbackURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && outbound.IsLoopbackHost(u.Hostname())
}

// hostOf returns the host of an address; of a text that is none, such as a
// socket's, all but what could be a password.
func hostOf(text string) string {
	if u, err := url.Parse(text); err == nil && u.Host != "" {
		return u.Host
	}
	return text[strings.LastIndexByte(text, '@')+1:]
}

// unverifiedDatabase reports a PostgreSQL beyond this machine whose certificate
// is not checked.
func unverifiedDatabase(cfg config.Config) bool {
	if cfg.DatabaseURL.IsZero() {
		return false
	}
	u, err := url.Parse(cfg.DatabaseURL.Expose())
	if err != nil || u.Hostname() == "" || loopbackURL(cfg.DatabaseURL.Expose()) || strings.HasPrefix(u.Query().Get("host"), "/") {
		return false
	}
	return !strings.HasPrefix(u.Query().Get("sslmode"), "verify")
}

// leaves lists every system that this installation may send anything to.
func (p securityPages) leaves(conns []connectionFacts, models ai.Status) posture.Section {
	s := posture.Section{
		ID: "leaves", Title: "What leaves, and to whom",
		Intro: "Every exchange is a row of the egress ledger. There are no other recipients: the part that opens connections knows only these.",
		Table: &posture.Table{Caption: "Systems configured (sub-processors, where they are somebody else's)", Columns: []string{"Host", "Why", "What it gets"}},
	}
	row := func(host, why, what string) { s.Table.Rows = append(s.Table.Rows, []string{host, why, what}) }
	for _, c := range conns {
		row(hostOf(c.URL), "Metabase: "+c.Name, "requests with the key; nothing else")
	}
	cfg := p.config
	if cfg.Mail.Host != "" {
		row(cfg.Mail.Host, "mail", "addresses of members, invitations, links, notices; no content of a Metabase")
	}
	if cfg.OIDC.Enabled() {
		row(hostOf(cfg.OIDC.Issuer), "single sign-on", "requests to log in; it tells us address, name and groups")
	}
	if len(cfg.ACME.Hosts) > 0 {
		row(hostOf(cfg.ACME.Directory), "certificate", "host names of this server, contact address")
	}
	if models.On {
		row(modelHost(models), "models", "masked names and texts, questions of members, SQL without values")
	}
	for _, r := range p.furtherRecipients() {
		row(r[0], r[1], r[2])
	}
	s.Facts = []posture.Fact{
		modelFact(models),
		{Label: "Telemetry, update checks, licence checks", Value: "none", State: posture.Fine, Source: posture.BuiltIn},
	}
	if stopped := p.live.Controls().Stopped; len(stopped) > 0 {
		var names []string
		for _, x := range stopped {
			names = append(names, string(x.Purpose))
		}
		s.Facts = append(s.Facts, posture.Fact{Label: "Stopped by the operator", Value: strings.Join(names, ", "), State: posture.Notice, Source: posture.Records})
	}
	address := posture.Fact{Label: "Address others see", Value: "not stated", Detail: "set egress.address to show it for firewall allow-lists", State: posture.Unknown, Source: posture.Configuration}
	if len(cfg.Egress.Addresses) > 0 {
		address.Value, address.Detail, address.State = fmt.Sprint(cfg.Egress.Addresses), "", posture.Fine
	}
	s.Facts = append(s.Facts, address)
	return s
}

// network says how people and others reach this server, and where it may go.
func (p securityPages) network() posture.Section {
	cfg := p.config
	s := posture.Section{ID: "network", Title: "Network"}
	way := posture.Fact{Label: "Pages", Source: posture.Configuration, State: posture.Fine}
	listen := listenerAddr(p.listener)
	switch {
	case p.transport.tls != nil:
		way.Value = "TLS 1.3 only, by this server, on " + listen.String()
		if w := p.transport.tls.Status().Warning(p.env.Now()); w != "" {
			way.Detail, way.State = w, posture.Problem
		}
	case cfg.Server.BehindProxy:
		way.Value, way.Detail = "behind a declared proxy", "only the declared proxies are answered; TLS is theirs"
	default:
		way.Value = "plain HTTP on loopback only (" + listen.String() + ")"
	}
	s.Facts = append(s.Facts, way,
		posture.Fact{Label: "To other systems", Value: "TLS 1.3, certificates verified; exceptions above", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/outbound: TestTLS"},
		posture.Fact{Label: "Addresses always refused", Value: "link-local, cloud metadata, our own listeners, multicast", Detail: "checked after DNS, at each attempt", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/outbound: TestPolicy"})
	private := posture.Fact{Label: "Private addresses", Value: "refused", State: posture.Fine, Source: posture.Configuration, Proof: "outbound.allow_private"}
	policy := servePolicy(cfg, listen, p.own)
	switch {
	case policy.AllowPrivate:
		private.Value, private.State = "allowed", posture.Notice
		if cfg.Outbound.AllowPrivate == config.Auto {
			private.Detail = "because the pages are on loopback only"
		}
	case len(cfg.Outbound.AllowedNetworks) > 0:
		private.Value = "refused but for " + fmt.Sprint(cfg.Outbound.AllowedNetworks)
	}
	s.Facts = append(s.Facts, private)
	return s
}

// people says who may log in, and how strongly.
func (p securityPages) people(members []store.MemberFactors) posture.Section {
	need, weak, strong := 0, 0, 0
	for _, m := range members {
		if m.Role.Rank() >= store.RoleAdmin.Rank() {
			need++
			if m.Factors == 0 {
				weak++
			}
		}
		if m.Factors > 0 {
			strong++
		}
	}
	mfa := posture.Fact{Label: "Second factor", Value: "mandatory for owners and admins", State: posture.Fine, Source: posture.BuiltIn, Proof: "docs/guide/accounts.md"}
	if p.demo {
		mfa.Value, mfa.State = "not asked for: this is the demo on loopback", posture.Notice
	} else if weak > 0 {
		mfa.Detail = fmt.Sprintf("%d of %d have none yet and can do nothing but enrol", weak, need)
	}
	s := posture.Section{ID: "people", Title: "Who may do what", Facts: []posture.Fact{
		{Label: "Members", Value: fmt.Sprintf("%d, %d of them with a second factor", len(members), strong), State: posture.Fine, Source: posture.Records},
		mfa,
		{Label: "Roles", Value: "owner, admin, editor, viewer; enforced in the service layer", State: posture.Fine, Source: posture.BuiltIn, Proof: "docs/guide/access.md"},
	}}
	tenants := posture.Fact{Label: "Organizations", Value: "one, as the embedded database allows", State: posture.Fine, Source: posture.Configuration}
	if p.store.Engine() == store.EnginePostgres {
		tenants.Value, tenants.Detail = "kept apart by row-level security and a key each", "mode: "+p.config.Server.Organizations
	}
	s.Facts = append(s.Facts, tenants)
	for _, w := range p.store.Warnings() {
		s.Facts = append(s.Facts, posture.Fact{Label: "Database set-up", Value: w, State: posture.Notice, Source: posture.Records})
	}
	if p.config.OIDC.Enabled() {
		s.Facts = append(s.Facts, posture.Fact{Label: "Single sign-on", Value: "with " + hostOf(p.config.OIDC.Issuer), Detail: "its second factor counts: " + string(p.config.OIDC.TrustMFA), State: posture.Fine, Source: posture.Configuration})
	}
	return s
}

// furtherRecipients are systems that the records and keys go to.
func (p securityPages) furtherRecipients() (rows [][3]string) {
	l, k := p.config.Ledger, p.config.KMS
	if slices.Contains(l.Stream, "webhook") {
		rows = append(rows, [3]string{hostOf(l.StreamURL), "log stream", "rows of ledger and audit log, signed; no content of a Metabase"})
	}
	if slices.Contains(l.Stream, "syslog") || slices.Contains(l.Anchor, "syslog") {
		rows = append(rows, [3]string{hostOf(l.Syslog), "syslog", "checkpoints, and rows of ledger and audit log where the stream is on"})
	}
	if slices.Contains(l.Anchor, "mail") {
		rows = append(rows, [3]string{p.config.Mail.Host, "anchors", "a weekly digest of checkpoints to " + l.AnchorMail})
	}
	if k.VaultURL != "" {
		rows = append(rows, [3]string{hostOf(k.VaultURL), "key management", "the wrapped master key, to unwrap it"})
	}
	if k.Command != "" {
		rows = append(rows, [3]string{"whatever " + k.Command + " asks", "key management", "the wrapped master key, to unwrap it"})
	}
	return rows
}

// keysSection says where the keys are.
func (p securityPages) keysSection() posture.Section {
	mode := p.keySource.Mode()
	master := posture.Fact{Label: "Master key", Value: string(mode), Detail: mode.Explain(), State: posture.Fine, Source: posture.Configuration, Proof: "metalens keys status"}
	if mode == keys.ModeKeyFile {
		master.State = posture.Notice
	}
	return posture.Section{ID: "keys", Title: "Keys and encryption", Facts: []posture.Fact{
		master,
		{Label: "Bodies, credentials, factors, search index", Value: "AES-256-GCM under a key of the organization, bound to the row", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/store: TestCiphertextsOpenInTheirOwnPlaceOnly"},
		{Label: "Every column of bytes", Value: "is sealed, or listed with the reason why not", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/store: TestEveryColumnOfBytesIsAccountedFor"},
		{Label: "Passwords", Value: "argon2id", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/auth: TestHashRoundTrip"},
		{Label: "Readable in the database", Value: "names and addresses of members, roles, counts, times, ids, check ids", State: posture.Notice, Source: posture.BuiltIn, Proof: "docs/threat-model.md"},
	}}
}

// evidence says how the records themselves are kept honest.
func (p securityPages) evidence(ctx context.Context, org store.OrgID) (posture.Section, error) {
	report, ok, err := lastVerification(ctx, p.store, p.dir.Path(), org)
	if err != nil {
		return posture.Section{}, err
	}
	last := posture.Fact{Label: "Last verification of ledger and audit log", Value: "not yet", Detail: "run metalens doctor --verify-ledger", State: posture.Unknown, Source: posture.Records}
	if ok {
		last.Value, last.Detail, last.State = report.At.UTC().Format(time.DateTime)+" UTC: nothing is wrong", "", posture.Fine
		if n := report.Problems(); n > 0 {
			last.Value, last.State = fmt.Sprintf("%s UTC: %d problems", report.At.UTC().Format(time.DateTime), n), posture.Problem
			last.Detail = "metalens doctor --verify-ledger names them"
		}
	}
	anchors := posture.Fact{Label: "Anchored in", Value: strings.Join(p.config.Ledger.Anchor, ", "), State: posture.Fine, Source: posture.Configuration, Proof: "ledger.anchor"}
	switch {
	case len(p.config.Ledger.Anchor) == 0:
		anchors.Value, anchors.State = "nowhere outside the database", posture.Notice
	case slices.Equal(p.config.Ledger.Anchor, []string{"file"}) && p.config.Ledger.AnchorFile == "":
		anchors.State, anchors.Detail = posture.Notice, "in the data directory: whoever can change the database may reach it, too; syslog or mail is stronger"
	}
	return posture.Section{
		ID: "evidence", Title: "Evidence", Intro: "Ledger and audit log are chains. They are tamper-evident since the last anchor, not before and not beyond.",
		Facts: []posture.Fact{
			last, anchors,
			{Label: "Exact requests", Value: p.config.Ledger.Payloads, Detail: "keep: sealed, for those with the right; hash: only their hash", State: posture.Fine, Source: posture.Configuration, Proof: "ledger.payloads"},
			{Label: "Kinds of tampering that are found", Value: "changed, swapped, inserted, deleted and cut-off rows, replaced checkpoints", State: posture.Fine, Source: posture.BuiltIn, Proof: "internal/store: TestTamperingIsFound"},
		},
	}, nil
}
