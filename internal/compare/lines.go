package compare

import (
	"fmt"
	"strings"
)

// context is how many equal lines a diff shows around a change.
const context = 3

// maxLines bounds the texts that are aligned line by line; the common beginning
// and end of longer ones are still found.
const maxLines = 4000

// Unified writes the difference between two texts as a unified diff without
// file names. It is empty for equal texts.
func Unified(a, b string) string {
	if a == b {
		return ""
	}
	x, y := lines(a), lines(b)
	var ops []op
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	for i := range head {
		ops = append(ops, op{' ', x[i]})
	}
	ops = append(ops, align(x[head:len(x)-tail], y[head:len(y)-tail])...)
	for i := len(x) - tail; i < len(x); i++ {
		ops = append(ops, op{' ', x[i]})
	}
	return hunks(ops)
}

type op struct {
	mark byte // ' ', '-', '+'
	line string
}

func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(s, "\r\n", "\n"), "\n"), "\n")
}

// align finds a longest common subsequence; texts beyond the bound are replaced
// as a whole.
func align(x, y []string) []op {
	var out []op
	if len(x) > maxLines || len(y) > maxLines || len(x)*len(y) > maxLines*maxLines/4 {
		for _, l := range x {
			out = append(out, op{'-', l})
		}
		for _, l := range y {
			out = append(out, op{'+', l})
		}
		return out
	}
	width := len(y) + 1
	table := make([]int32, (len(x)+1)*width)
	for i := len(x) - 1; i >= 0; i-- {
		for j := len(y) - 1; j >= 0; j-- {
			if x[i] == y[j] {
				table[i*width+j] = table[(i+1)*width+j+1] + 1
			} else {
				table[i*width+j] = max(table[(i+1)*width+j], table[i*width+j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(x) || j < len(y) {
		switch {
		case i < len(x) && j < len(y) && x[i] == y[j]:
			out = append(out, op{' ', x[i]})
			i, j = i+1, j+1
		case j == len(y) || i < len(x) && table[(i+1)*width+j] >= table[i*width+j+1]:
			out = append(out, op{'-', x[i]})
			i++
		default:
			out = append(out, op{'+', y[j]})
			j++
		}
	}
	return out
}

// hunks groups the changes with their surroundings.
func hunks(ops []op) string {
	var b strings.Builder
	near := make([]bool, len(ops))
	for i, o := range ops {
		if o.mark == ' ' {
			continue
		}
		for k := max(0, i-context); k <= min(len(ops)-1, i+context); k++ {
			near[k] = true
		}
	}
	lineA, lineB := 1, 1
	for i := 0; i < len(ops); {
		if !near[i] {
			lineA, lineB = lineA+1, lineB+1
			i++
			continue
		}
		end := i
		countA, countB := 0, 0
		for end < len(ops) && near[end] {
			if ops[end].mark != '+' {
				countA++
			}
			if ops[end].mark != '-' {
				countB++
			}
			end++
		}
		fmt.Fprintf(&b, "@@ -%s +%s @@\n", place(lineA, countA), place(lineB, countB))
		for _, o := range ops[i:end] {
			b.WriteByte(o.mark)
			b.WriteString(o.line)
			b.WriteByte('\n')
		}
		lineA, lineB = lineA+countA, lineB+countB
		i = end
	}
	return b.String()
}

func place(line, count int) string {
	if count == 0 {
		line--
	}
	return fmt.Sprintf("%d,%d", line, count)
}
