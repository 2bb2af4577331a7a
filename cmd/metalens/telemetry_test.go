package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/metalens/metalens/internal/metabase/metabasetest"
)

// insideNamespace tells the test's second self that it runs in a network
// namespace of its own, where there is nothing but loopback.
const insideNamespace = "METALENS_TEST_NAMESPACE"

// plan says how a command is run for the record; commands without one are run
// with the arguments that the command line asks for.
type plan struct {
	args   []string
	serves bool // runs until it is stopped
	local  bool // starts servers of its own on this machine, and talks to them
	exit   []int
}

// plans are runs that reach what a command can reach: with an address, a key, a
// stored scan. $URL is a Metabase, $DIR a folder with files.
func plans() map[string]plan {
	return map[string]plan{
		"demo":               {args: []string{"--listen", "127.0.0.1:0"}, serves: true, local: true},
		"serve":              {args: []string{"--listen", "127.0.0.1:0"}, serves: true},
		"init":               {args: []string{"--url", "$URL", "--api-key-file", "$DIR/key", "--dir", "$DIR/init"}, exit: []int{0}},
		"scan":               {args: []string{"--url", "$URL", "--api-key-file", "$DIR/key", "--format", "json", "--output", "$DIR/scan.json"}, exit: []int{0}},
		"doctor":             {args: nil, exit: []int{0}},
		"config check":       {exit: []int{0}},
		"version":            {exit: []int{0}},
		"impact":             {args: []string{"question:1"}, exit: []int{0, 2}},
		"diff":               {args: []string{"$DIR/scan.json", "$DIR/scan.json"}, exit: []int{0}},
		"sql inspect":        {args: []string{"$DIR/query.sql"}, exit: []int{0}},
		"sql canonical":      {args: []string{"$DIR/query.sql"}, exit: []int{0}},
		"sensitive classify": {args: []string{"$DIR/column.json"}, exit: []int{0}},
		"sql mask":           {args: []string{"$DIR/query.sql"}, exit: []int{0}},
		"sql unmask":         {args: []string{"$DIR/query.sql"}, exit: []int{0}},
	}
}

// TestNoTelemetry runs every command of the command line, as kong knows them, in
// a network namespace of its own with each system call on the network on
// record: no command connects to anything but the Metabase it was told.
func TestNoTelemetry(t *testing.T) {
	if testing.Short() {
		t.Skip("every command is run under strace")
	}
	if _, err := exec.LookPath("strace"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("no strace: scripts/provision installs it")
		}
		t.Skip("NO PROOF OF NO TELEMETRY: install strace.")
	}
	if os.Getenv(insideNamespace) == "" && enterNamespace(t) {
		return
	}
	fake := metabasetest.NewServer(metabasetest.Config{World: metabasetest.SampleCompany(time.Now()), Key: key, Admin: true, Now: time.Now})
	address, stop, err := fake.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	dir := t.TempDir()
	for name, text := range map[string]string{"key": key, "query.sql": "select a from b", "column.json": `{"table":"users","column":"email"}`, "init/.gitignore": ""} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700), os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	binary := filepath.Join(dir, "metalens")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, binary); err != nil { // TestMain answers to that name
		t.Fatal(err)
	}
	r := recorder{binary: binary, dir: dir, address: address, metabase: netip.MustParseAddrPort(strings.TrimPrefix(address, "http://"))}
	if got := r.canary(t); len(got) == 0 {
		t.Fatal("a connection that was made is not on the record: the record proves nothing")
	}
	commands := leaves(t)
	for _, first := range []string{"scan"} { // leaves the others something to look at
		r.run(t, first, commands[first])
	}
	names := make([]string, 0, len(commands))
	for name := range commands {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if name != "scan" {
			r.run(t, name, commands[name])
		}
	}
	for name := range plans() {
		if _, ok := commands[name]; !ok {
			t.Errorf("there is a plan for %q, which is no command", name)
		}
	}
	t.Logf("%d commands, namespace %v", len(commands), os.Getenv(insideNamespace) != "")
}

// enterNamespace runs this test again where there is no network; false when the
// system does not allow that.
func enterNamespace(t *testing.T) bool {
	t.Helper()
	if exec.CommandContext(t.Context(), "unshare", "-n", "ip", "link", "set", "lo", "up").Run() != nil {
		t.Log("no network namespaces here: strace alone records")
		return false
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "unshare", "-n", "sh", "-c", `ip link set lo up && exec "$0" "$@"`, self, "-test.run=^TestNoTelemetry$", "-test.v")
	cmd.Env = append(os.Environ(), insideNamespace+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("in a network namespace: %v\n%s", err, out)
		return true
	}
	t.Logf("%s", out)
	return true
}

// leaves are the commands of the command line with the arguments they demand.
func leaves(t *testing.T) map[string][]string {
	t.Helper()
	var cli commands
	parser, err := kong.New(&cli, kong.Name("metalens"), kong.BindTo(context.Background(), (*context.Context)(nil)))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, leaf := range parser.Model.Leaves(false) {
		var args []string
		for _, flag := range leaf.Flags {
			if flag.Required {
				args = append(args, "--"+flag.Name+"=x")
			}
		}
		for _, p := range leaf.Positional {
			if p.Required {
				args = append(args, "x")
			}
		}
		found[strings.TrimPrefix(leaf.Path(), "metalens ")] = args
	}
	if len(found) < 10 {
		t.Fatalf("only %d commands", len(found))
	}
	return found
}

type recorder struct {
	binary, dir, address string
	metabase             netip.AddrPort
}

func (r recorder) expand(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = strings.NewReplacer("$URL", r.address, "$DIR", r.dir).Replace(a)
	}
	return out
}

// canary opens a connection under the record.
func (r recorder) canary(t *testing.T) []netip.AddrPort {
	t.Helper()
	record := filepath.Join(r.dir, "canary.strace")
	if out, err := r.command(t, record, "scan", "--stateless", "--url", r.address, "--api-key-file", filepath.Join(r.dir, "key"), "--format", "json", "--output", filepath.Join(r.dir, "canary.json")).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return reached(t, record)
}

func (r recorder) command(t *testing.T, record string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	all := append([]string{"-f", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg", "-e", "signal=none", "-o", record, r.binary}, args...)
	cmd := exec.CommandContext(ctx, "strace", all...)
	cmd.Dir = r.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + r.dir, "TMPDIR=" + r.dir, "METALENS_DATA=" + filepath.Join(r.dir, "data"), "METALENS_LOG_LEVEL=info",
		// What a proxy variable of the environment says must not matter.
		"HTTPS_PROXY=http://192.0.2.1:3128", "HTTP_PROXY=http://192.0.2.1:3128", "ALL_PROXY=socks5://192.0.2.1:1080",
	}
	return cmd
}

func (r recorder) run(t *testing.T, name string, demanded []string) {
	t.Helper()
	p, planned := plans()[name]
	args := p.args
	if !planned {
		args = demanded
	}
	record := filepath.Join(r.dir, strings.ReplaceAll(name, " ", "-")+".strace")
	cmd := r.command(t, record, append(strings.Fields(name), r.expand(args)...)...)
	var code int
	if p.serves {
		code = r.serve(t, name, cmd)
	} else {
		out, err := cmd.CombinedOutput()
		code = cmd.ProcessState.ExitCode()
		if err != nil && code < 0 {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if len(p.exit) > 0 && !slices.Contains(p.exit, code) {
			t.Errorf("%s: exit code %d\n%s", name, code, out)
		}
	}
	for _, to := range reached(t, record) {
		if to == r.metabase || p.local && to.Addr().IsLoopback() && to.Port() != 53 {
			continue
		}
		t.Errorf("%s connects to %s, which nobody configured", name, to)
	}
	t.Logf("%s %s: exit code %d", name, strings.Join(args, " "), code)
}

// serve waits until the pages are answered, asks for one, and stops the program.
func (r recorder) serve(t *testing.T, name string, cmd *exec.Cmd) int {
	t.Helper()
	said := &watched{lines: make(chan string, 100)}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	page := regexp.MustCompile(`http://(127\.0\.0\.1:\d+)`)
	serving := regexp.MustCompile(`MetaLens (serves|shows)`)
	for waiting := true; waiting; {
		select {
		case line := <-said.lines:
			if serving.MatchString(line) {
				waiting = false
				var d net.Dialer
				if conn, err := d.DialContext(t.Context(), "tcp", page.FindStringSubmatch(line)[1]); err == nil {
					_, _ = fmt.Fprint(conn, "GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
					_, _ = conn.Read(make([]byte, 16))
					_ = conn.Close()
				}
			}
		case err := <-ended:
			t.Errorf("%s ended: %v\n%s", name, err, said)
			return cmd.ProcessState.ExitCode()
		}
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", cmd.Process.Pid, cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(children), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%s: stopping: %v\n%s", name, err, said)
	}
	return cmd.ProcessState.ExitCode()
}

// watched hands on what a program prints.
type watched struct {
	mu    sync.Mutex
	text  bytes.Buffer
	rest  string
	lines chan string
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text.Write(p)
	w.rest += string(p)
	for {
		line, rest, ok := strings.Cut(w.rest, "\n")
		if !ok {
			return len(p), nil
		}
		w.rest = rest
		select {
		case w.lines <- line:
		default:
		}
	}
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

var (
	ipv4 = regexp.MustCompile(`sin_port=htons\((\d+)\), sin_addr=inet_addr\("([^"]+)"\)`)
	ipv6 = regexp.MustCompile(`sin6_port=htons\((\d+)\).*?inet_pton\(AF_INET6, "([^"]+)"`)
)

// reached reads the network addresses of a record. A destination that it cannot
// read fails the test: Unix sockets and netlink stay on this machine.
func reached(t *testing.T, record string) []netip.AddrPort {
	t.Helper()
	raw, err := os.ReadFile(record)
	if err != nil {
		t.Fatal(err)
	}
	var list []netip.AddrPort
	for line := range strings.SplitSeq(string(raw), "\n") {
		if !strings.Contains(line, "sa_family=") || strings.Contains(line, "sa_family=AF_UNIX") || strings.Contains(line, "sa_family=AF_NETLINK") || strings.Contains(line, "sa_family=AF_UNSPEC") {
			continue
		}
		found := append(ipv4.FindAllStringSubmatch(line, -1), ipv6.FindAllStringSubmatch(line, -1)...)
		if len(found) == 0 {
			t.Errorf("not understood: %s", line)
		}
		for _, m := range found {
			to, err := netip.ParseAddrPort(net.JoinHostPort(m[2], m[1]))
			if err != nil {
				t.Errorf("not understood: %s", line)
				continue
			}
			if to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port()); !slices.Contains(list, to) {
				list = append(list, to)
			}
		}
	}
	return list
}
