package siem_test

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/metalens/metalens/internal/keys"
	"github.com/metalens/metalens/internal/ledger"
	"github.com/metalens/metalens/internal/outbound"
	"github.com/metalens/metalens/internal/secret"
	"github.com/metalens/metalens/internal/siem"
	"github.com/metalens/metalens/internal/store"
)

// syslogServer speaks RFC 5425: TLS, octet counting.
type syslogServer struct {
	listener net.Listener
	ca       []byte

	mu       sync.Mutex
	messages []string
	drop     int // breaks off this many connections before it has read all
	broken   error
}

func newSyslogServer(t *testing.T) *syslogServer {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS() // for its certificate
	certificate := web.TLS.Certificates[0]
	web.Close()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13})
	if err != nil {
		t.Fatal(err)
	}
	s := &syslogServer{listener: l, ca: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return s
}

func (s *syslogServer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	var batch []string
	for {
		size, err := r.ReadString(' ')
		if err != nil {
			if !errors.Is(err, io.EOF) {
				return
			}
			break
		}
		n, err := strconv.Atoi(strings.TrimSpace(size))
		message := make([]byte, n)
		if err == nil {
			_, err = io.ReadFull(r, message)
		}
		s.mu.Lock()
		if err != nil {
			s.broken = err
		}
		if s.drop > 0 {
			s.drop--
			s.mu.Unlock()
			if tcp, ok := conn.(*tls.Conn).NetConn().(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // a reset
				_ = tcp.Close()
			}
			return
		}
		s.mu.Unlock()
		batch = append(batch, string(message))
	}
	s.mu.Lock()
	s.messages = append(s.messages, batch...)
	s.mu.Unlock()
}

func (s *syslogServer) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

type world struct {
	t     *testing.T
	store *store.Store
	org   store.OrgID
	out   outbound.Config
	now   time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	set, err := keys.Generate()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, now: time.Date(2026, 4, 1, 12, 0, 0, 0, time.UTC)}
	w.store, err = store.Open(t.Context(), store.Config{Dir: t.TempDir(), Keys: set, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.store.Close() })
	err = w.store.InSystem(t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		o, err := tx.InsertOrganization(ctx, store.Organization{Name: "Acme"})
		w.org = o.ID
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	w.out = outbound.Config{Purpose: ledger.PurposeStream, Recorder: store.NewSystemRecorder(w.store), Policy: outbound.Policy{AllowLoopback: true}}
	return w
}

func (w *world) act(n int) {
	w.t.Helper()
	for i := range n {
		err := w.store.InOrg(w.t.Context(), w.org, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Audit(ctx, store.AuditRow{Actor: "u1", Action: "scan_started", Target: fmt.Sprintf("scan:%d", i), Detail: `{"name":"Grüße\n]"}`}); err != nil {
				return err
			}
			return tx.RecordLedger(ctx, []store.LedgerRow{{Entry: ledger.Entry{
				At: w.now, Purpose: ledger.PurposeModel, Method: "POST", Host: "api.example.com:443", Phase: ledger.PhaseIntent, Payload: &ledger.Payload{Content: []byte("canary-payload")},
			}}})
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
	err := w.store.InSystem(w.t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		return tx.Audit(ctx, store.AuditRow{Action: "login_failed", Source: "192.0.2.1"})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) heads() (sum int64) {
	w.t.Helper()
	err := w.store.ViewSystem(w.t.Context(), func(ctx context.Context, tx *store.SystemTx) error {
		heads, err := tx.ChainHeads(ctx)
		for _, h := range heads {
			sum += h.Seq
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

func (w *world) syslog(s *syslogServer) *siem.Syslog {
	w.t.Helper()
	out := w.out
	out.RootCAs = s.ca
	dialer, err := outbound.NewDialer(out)
	if err != nil {
		w.t.Fatal(err)
	}
	sink, err := siem.NewSyslog("tls://"+s.listener.Addr().String(), dialer)
	if err != nil {
		w.t.Fatal(err)
	}
	return sink
}

var rfc5424 = regexp.MustCompile(`^<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]{1,255} metalens \d+ (audit|egress|checkpoint) - (\{.*\})$`)

// TestSyslogOverTLS streams to a real listener, through a break, and finds every
// row there at least once and in order.
func TestSyslogOverTLS(t *testing.T) {
	w := newWorld(t)
	server := newSyslogServer(t)
	server.drop = 1
	w.act(230) // more than one batch
	stream := siem.NewStream(w.store, w.syslog(server))
	if _, err := stream.Run(t.Context()); err == nil {
		t.Fatal("a broken connection was taken for a delivery")
	}
	if n := len(server.received()); n != 0 {
		t.Fatalf("%d messages", n)
	}
	if _, err := stream.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := map[string]int64{}
	egress, warnings := 0, 0
	for _, m := range server.received() {
		parts := rfc5424.FindStringSubmatch(m)
		if parts == nil {
			t.Fatalf("not RFC 5424: %q", m)
		}
		if strings.Contains(m, "canary-payload") {
			t.Fatal("a payload was streamed")
		}
		var r struct {
			Format, Org, Action string
			Seq                 int64
		}
		if err := json.Unmarshal([]byte(parts[3]), &r); err != nil {
			t.Fatal(err)
		}
		key := r.Org + parts[2]
		if next[key]++; r.Seq != next[key] {
			t.Fatalf("row %d of %s came instead of %d", r.Seq, key, next[key])
		}
		switch parts[2] {
		case "egress":
			egress++
		case "audit":
			want := "110"
			if r.Action == "login_failed" {
				want = "108"
				warnings++
			}
			if parts[1] != want {
				t.Errorf("%s has priority %s", r.Action, parts[1])
			}
		}
	}
	if next[string(w.org)+"audit"] != 230 || next[string(w.org)+"egress"] != 230 || warnings != 1 {
		t.Errorf("got %v", next)
	}
	if server.broken != nil {
		t.Errorf("the framing is wrong: %v", server.broken)
	}
	// Nothing new: nothing is sent, and nothing grows.
	before, heads := len(server.received()), w.heads()
	for range 3 {
		if _, err := stream.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if after := len(server.received()); after != before || w.heads() != heads {
		t.Errorf("the stream feeds itself: %d messages, then %d; %d rows, then %d", before, after, heads, w.heads())
	}
	// Another process goes on where this one stopped, and the traces of the
	// stream leave together with what others did.
	w.act(1)
	sent, err := siem.NewStream(w.store, w.syslog(server)).Run(t.Context())
	if err != nil || sent < 3 {
		t.Errorf("%d rows, %v", sent, err)
	}
}

func TestSyslogRefusesAStranger(t *testing.T) {
	w := newWorld(t)
	server := newSyslogServer(t)
	out := w.out // without the authority
	dialer, err := outbound.NewDialer(out)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := siem.NewSyslog("tls://"+server.listener.Addr().String(), dialer)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Write(t.Context(), []siem.Record{{Kind: siem.KindAudit, Body: []byte(`{}`)}}); err == nil {
		t.Error("a server with an unknown certificate got records")
	}
	if n := len(server.received()); n != 0 {
		t.Errorf("%d messages", n)
	}
}

func TestSyslogSocket(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	w.act(1)
	sink, err := siem.NewSyslog("unix:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := siem.NewStream(w.store, sink).Run(t.Context()); n != 3 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	buffer := make([]byte, 64<<10)
	for range 3 {
		n, err := conn.Read(buffer)
		if err != nil || !rfc5424.Match(buffer[:n]) {
			t.Errorf("%q, %v", buffer[:n], err)
		}
	}
}

func TestFile(t *testing.T) {
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "new", "stream.jsonl")
	stream := siem.NewStream(w.store, siem.NewFile(path))
	w.act(2)
	if n, err := stream.Run(t.Context()); n != 5 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(`{"half":`)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	w.act(1)
	if n, err := stream.Run(t.Context()); n != 3 || err != nil {
		t.Fatalf("%d rows, %v", n, err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := 0
	for line := range strings.Lines(string(b)) {
		if json.Valid([]byte(line)) {
			whole++
		}
	}
	if whole != 8 {
		t.Errorf("%d whole lines in\n%s", whole, b)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestWebhookIsSigned(t *testing.T) {
	w := newWorld(t)
	key := secret.New("shared-secret")
	var mu sync.Mutex
	var rows int
	var deliveries []string
	failures := 2
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body)
		at := r.Header.Get(siem.HeaderTimestamp)
		if !hmac.Equal([]byte(siem.Sign(key, at, body)), []byte(r.Header.Get(siem.HeaderSignature))) || at != strconv.FormatInt(w.now.Unix(), 10) {
			t.Errorf("the signature does not hold: %v", r.Header)
		}
		if strings.Contains(string(body)+fmt.Sprint(r.Header), "shared-secret") || strings.Contains(string(body), "canary-payload") {
			t.Error("a secret was sent")
		}
		deliveries = append(deliveries, r.Header.Get(siem.HeaderDelivery))
		if failures--; failures >= 0 {
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var got struct{ Records []json.RawMessage }
		if err := json.Unmarshal(body, &got); err != nil {
			t.Error(err)
		}
		rows += len(got.Records)
	}))
	defer server.Close()
	transport, err := outbound.NewTransport(w.out)
	if err != nil {
		t.Fatal(err)
	}
	sink, err := siem.NewWebhook(server.URL, key, transport, func() time.Time { return w.now })
	if err != nil {
		t.Fatal(err)
	}
	w.act(2)
	stream := siem.NewStream(w.store, sink)
	for range 2 {
		if _, err := stream.Run(t.Context()); err == nil {
			t.Fatal("a refused delivery was taken for one")
		}
	}
	if _, err := stream.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(deliveries) < 3 || deliveries[0] != deliveries[1] || deliveries[1] != deliveries[2] {
		t.Errorf("a batch that is sent again has another name: %v", deliveries)
	}
	if rows < 5 {
		t.Errorf("%d rows", rows)
	}
	heads := w.heads()
	if n, err := stream.Run(t.Context()); n != 0 || err != nil || w.heads() != heads {
		t.Errorf("the stream feeds itself: %d rows, %v", n, err)
	}
	if _, err := siem.NewWebhook(server.URL, secret.Value{}, transport, time.Now); err == nil {
		t.Error("a webhook without a secret")
	}
}

func TestAnchorsAreReadBack(t *testing.T) {
	signer, err := ledger.NewSigner()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "anchors.jsonl")
	at := time.Date(2026, 4, 1, 12, 0, 0, 123456000, time.UTC)
	var want []ledger.Checkpoint
	for _, p := range []ledger.Checkpoint{
		{Org: "o", Chain: ledger.ChainAudit, Kind: ledger.CheckpointHead, Seq: 7, Link: []byte{1, 2}, At: at},
		{Chain: ledger.ChainLedger, Kind: ledger.CheckpointPrune, Seq: 9, Link: []byte{3}, At: at, Before: at.Add(-time.Hour)},
	} {
		p = signer.Sign(p)
		want = append(want, p)
		r, err := siem.OfCheckpoint(p, signer.Public())
		if err != nil {
			t.Fatal(err)
		}
		if err := siem.NewFile(path).Write(t.Context(), []siem.Record{r}); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// As they stand in a log and in a mail.
	text := "From: metalens\n\nApr  1 12:00:00 host metalens[1]: " + strings.ReplaceAll(string(b), "\n", " trailing\n  ")
	got, err := ledger.ReadAnchors(strings.NewReader(text))
	if err != nil || len(got) != 2 {
		t.Fatalf("%d anchors, %v", len(got), err)
	}
	for i, p := range got {
		if !p.VerifiedBy(signer.Public()) || p.Seq != want[i].Seq {
			t.Errorf("got %+v", p)
		}
	}
	if _, err := ledger.ReadAnchors(strings.NewReader(string(b[:len(b)-20]))); err == nil {
		t.Error("half a checkpoint was read")
	}
}
