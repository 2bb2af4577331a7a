package oracle

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// Limits of one text. What is beyond them is not shown to a grammar.
const (
	MaxBytes = 200_000
	MaxDepth = 150              // of parentheses and brackets
	patience = 10 * time.Second // for one text
	maxHeap  = 2 << 30          // of the process that reads it
)

// workerEnv makes a process a worker: its value is the dialect of the grammar.
const workerEnv = "METALENS_ORACLE_WORKER"

// ServeIfWorker reads texts from standard input, one JSON string a line, and
// answers each with a verdict, when the process was started for that. It is to
// be called first thing in a program that uses a [Pool].
func ServeIfWorker() {
	dialect := os.Getenv(workerEnv)
	if dialect == "" {
		return
	}
	g, ok := GrammarOf(dialect)
	if !ok {
		fmt.Fprintln(os.Stderr, "no grammar of", dialect)
		os.Exit(2)
	}
	go func() { // a grammar that eats memory must not take the machine along
		for range time.Tick(100 * time.Millisecond) {
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.HeapAlloc > maxHeap {
				os.Exit(3)
			}
		}
	}()
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var sql string
		if err := in.Decode(&sql); err != nil {
			os.Exit(0)
		}
		if err := out.Encode(g.Read(sql)); err != nil {
			os.Exit(0)
		}
	}
}

// Pool reads texts with one grammar in a process beside this one. A text that
// hangs or kills the process costs a restart and counts as not accepted.
type Pool struct {
	// Patience is how long one text may take; ten seconds when it is zero.
	Patience time.Duration

	grammar Grammar
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers chan Verdict
}

// NewPool prepares a process for the grammar; it starts with the first text.
func NewPool(g Grammar) *Pool { return &Pool{grammar: g} }

// Read answers with the verdict on a text.
func (p *Pool) Read(sql string) (Verdict, error) {
	switch {
	case len(sql) > MaxBytes:
		return Verdict{Error: "longer than the limit"}, nil
	case depth(sql) > MaxDepth:
		return Verdict{Error: "nested deeper than the limit"}, nil
	}
	if p.cmd == nil {
		if err := p.start(); err != nil {
			return Verdict{}, err
		}
	}
	line, err := json.Marshal(sql)
	if err != nil {
		return Verdict{}, fmt.Errorf("encode a text: %w", err)
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		p.stop()
		return Verdict{Error: "the process of the grammar ended"}, nil
	}
	limit := p.Patience
	if limit == 0 {
		limit = patience
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case v, ok := <-p.answers:
		if !ok {
			p.stop()
			return Verdict{Error: "the process of the grammar ended"}, nil
		}
		return v, nil
	case <-timer.C:
		p.stop()
		return Verdict{Error: fmt.Sprintf("no answer within %s", limit)}, nil
	}
}

func (p *Pool) start() error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.Command(self) //nolint:noctx,gosec // this very program; its life is bound by stop
	cmd.Env = append(os.Environ(), workerEnv+"="+p.grammar.Dialect)
	in, err := cmd.StdinPipe()
	if err != nil {
		return fmt.Errorf("open the input of a grammar's process: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("open the output of a grammar's process: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start a grammar's process: %w", err)
	}
	p.cmd, p.in, p.answers = cmd, in, make(chan Verdict, 1)
	go func(answers chan<- Verdict) {
		defer close(answers)
		decoder := json.NewDecoder(bufio.NewReader(out))
		for {
			var v Verdict
			if err := decoder.Decode(&v); err != nil {
				return
			}
			answers <- v
		}
	}(p.answers)
	return nil
}

func (p *Pool) stop() {
	if p.cmd == nil {
		return
	}
	_ = p.in.Close()
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	p.cmd = nil
}

// Close ends the process.
func (p *Pool) Close() error {
	if p.cmd == nil {
		return nil
	}
	closed := p.in.Close()
	done := make(chan error, 1)
	cmd := p.cmd
	go func() { done <- cmd.Wait() }()
	p.cmd = nil
	select {
	case err := <-done:
		return errors.Join(closed, err)
	case <-time.After(patience):
		return cmd.Process.Kill()
	}
}

// depth is how deep a text nests brackets, counted roughly: brackets in
// strings and comments count too.
func depth(sql string) int {
	deep, most := 0, 0
	for i := 0; ; {
		j := strings.IndexAny(sql[i:], "()[]{}")
		if j < 0 {
			return most
		}
		i += j
		switch sql[i] {
		case '(', '[', '{':
			deep++
			most = max(most, deep)
		default:
			deep = max(deep-1, 0)
		}
		i++
	}
}
