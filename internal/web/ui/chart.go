package ui

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// TrendPoint is a value at a time.
type TrendPoint struct {
	At    time.Time
	Value float64
	Label string // the value in words, with its unit
}

// Trend is a line over time. The heading says what it shows; a table holds the
// same numbers.
type Trend struct {
	ID       string // unique on the page
	Title    string // says the finding, for example "Health rose by 6 in 90 days"
	Unit     string // heading of the value column
	From, To time.Time
	Min, Max float64 // of the axis
	Points   []TrendPoint
}

const (
	chartWidth  = 720
	chartHeight = 168
	chartLeft   = 40
	chartRight  = 12
	chartTop    = 10
	chartBottom = 24
)

func (t Trend) x(at time.Time) float64 {
	span := t.To.Sub(t.From).Seconds()
	if span <= 0 {
		return chartLeft
	}
	share := math.Max(0, math.Min(1, at.Sub(t.From).Seconds()/span))
	return chartLeft + share*(chartWidth-chartLeft-chartRight)
}

func (t Trend) y(v float64) float64 {
	span := t.Max - t.Min
	if span <= 0 {
		return chartHeight - chartBottom
	}
	share := math.Max(0, math.Min(1, (v-t.Min)/span))
	return chartTop + (1-share)*(chartHeight-chartTop-chartBottom)
}

func num(f float64) string { return fmt.Sprintf("%.1f", f) }

// line is the path of the points.
func (t Trend) line() string {
	var b strings.Builder
	for i, p := range t.Points {
		c := "L"
		if i == 0 {
			c = "M"
		}
		fmt.Fprintf(&b, "%s%s %s", c, num(t.x(p.At)), num(t.y(p.Value)))
	}
	return b.String()
}

// area is the line closed down to the axis.
func (t Trend) area() string {
	if len(t.Points) < 2 {
		return ""
	}
	base := num(chartHeight - chartBottom)
	return t.line() + "L" + num(t.x(t.Points[len(t.Points)-1].At)) + " " + base + "L" + num(t.x(t.Points[0].At)) + " " + base + "Z"
}

type tick struct {
	at    float64
	label string
}

func (t Trend) yTicks() []tick {
	const n = 4
	var ticks []tick
	for i := range n + 1 {
		v := t.Min + (t.Max-t.Min)*float64(i)/n
		ticks = append(ticks, tick{t.y(v), Decimal(math.Round(v))})
	}
	return ticks
}

func (t Trend) xTicks() []tick {
	var ticks []tick
	const n = 4
	for i := range n + 1 {
		at := t.From.Add(t.To.Sub(t.From) * time.Duration(i) / n)
		ticks = append(ticks, tick{t.x(at), at.UTC().Format("2 Jan")})
	}
	return ticks
}

func anchor(i, n int) string {
	switch i {
	case 0:
		return "start"
	case n - 1:
		return "end"
	}
	return "middle"
}
