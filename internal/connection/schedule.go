package connection

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/metalens/metalens/internal/errs"
)

// Schedule says when a connection is scanned by itself. The zero Schedule
// never runs. All times are UTC.
type Schedule struct {
	text string
	next cron.Schedule
}

const scheduleHint = `Write "daily 03:00", "weekly mon 03:00", a five-field cron expression such as "0 3 * * 1-5", or leave it empty. Times are UTC.`

// minGap is the shortest allowed distance between two scheduled runs: a scan
// costs the Metabase server work, and nothing in a catalog moves faster.
const minGap = 15 * time.Minute

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// ParseSchedule reads "", "daily HH:MM", "weekly mon HH:MM" or a five-field
// cron expression. Errors are of kind Invalid and say what is wrong.
func ParseSchedule(text string) (Schedule, error) {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return Schedule{}, nil
	}
	var expression, normal string
	switch words[0] {
	case "daily":
		if len(words) != 2 {
			return Schedule{}, badSchedule(text, "a daily schedule needs one time")
		}
		hour, minute, err := clock(words[1])
		if err != nil {
			return Schedule{}, badSchedule(text, err.Error())
		}
		expression = fmt.Sprintf("%d %d * * *", minute, hour)
		normal = fmt.Sprintf("daily %02d:%02d", hour, minute)
	case "weekly":
		if len(words) != 3 {
			return Schedule{}, badSchedule(text, "a weekly schedule needs a day and a time")
		}
		day := -1
		for i, name := range weekdays {
			if len(words[1]) >= 3 && strings.HasPrefix(fullWeekday(i), words[1]) {
				day = i
				words[1] = name
			}
		}
		if day < 0 {
			return Schedule{}, badSchedule(text, "the day is not one of mon, tue, wed, thu, fri, sat, sun")
		}
		hour, minute, err := clock(words[2])
		if err != nil {
			return Schedule{}, badSchedule(text, err.Error())
		}
		expression = fmt.Sprintf("%d %d * * %d", minute, hour, day)
		normal = fmt.Sprintf("weekly %s %02d:%02d", words[1], hour, minute)
	default:
		if len(words) != 5 {
			return Schedule{}, badSchedule(text, "it is neither daily, weekly nor a cron expression of five fields")
		}
		expression = strings.Join(words, " ")
		normal = expression
	}
	parser := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	parsed, err := parser.Parse(expression)
	if err != nil {
		return Schedule{}, badSchedule(text, "a field of the cron expression is not understood")
	}
	s := Schedule{text: normal, next: parsed}
	if err := s.sane(text); err != nil {
		return Schedule{}, err
	}
	return s, nil
}

// sane refuses schedules that never run or run too often.
func (s Schedule) sane(text string) error {
	at := s.next.Next(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if at.IsZero() {
		return badSchedule(text, "it never comes true")
	}
	for range 50 {
		following := s.next.Next(at)
		if following.IsZero() {
			return nil
		}
		if following.Sub(at) < minGap {
			return badSchedule(text, "it would scan more often than every 15 minutes")
		}
		at = following
	}
	return nil
}

// String returns the schedule in its normal form, "" when it never runs.
func (s Schedule) String() string { return s.text }

// IsZero reports whether the schedule never runs.
func (s Schedule) IsZero() bool { return s.next == nil }

// Next returns the first run after a time, the zero time when there is none.
func (s Schedule) Next(after time.Time) time.Time {
	if s.next == nil {
		return time.Time{}
	}
	return s.next.Next(after.UTC())
}

// QuietHours is a daily span in which scheduled scans wait. The zero value has
// none. A span may cross midnight.
type QuietHours struct {
	from, to int // minutes of the day, UTC
	set      bool
}

// ParseQuietHours reads "" or "HH:MM-HH:MM".
func ParseQuietHours(text string) (QuietHours, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return QuietHours{}, nil
	}
	from, to, found := strings.Cut(text, "-")
	bad := func(why string) error {
		return errs.New(errs.Invalid, "bad_quiet_hours", fmt.Sprintf("The quiet hours %q are not understood: %s.", printable(text), why),
			`Write them as "08:00-18:00" (UTC), or leave them empty.`)
	}
	if !found {
		return QuietHours{}, bad("a span needs two times with a dash between them")
	}
	fromHour, fromMinute, err := clock(strings.TrimSpace(from))
	if err != nil {
		return QuietHours{}, bad(err.Error())
	}
	toHour, toMinute, err := clock(strings.TrimSpace(to))
	if err != nil {
		return QuietHours{}, bad(err.Error())
	}
	q := QuietHours{from: fromHour*60 + fromMinute, to: toHour*60 + toMinute, set: true}
	if q.from == q.to {
		return QuietHours{}, bad("both times are the same, which would never allow a scan")
	}
	return q, nil
}

// Until returns the end of the quiet span a time lies in, and the time itself
// when it lies in none.
func (q QuietHours) Until(at time.Time) time.Time {
	if !q.set {
		return at
	}
	utc := at.UTC()
	minute := utc.Hour()*60 + utc.Minute()
	inside := minute >= q.from && minute < q.to
	if q.from > q.to {
		inside = minute >= q.from || minute < q.to
	}
	if !inside {
		return at
	}
	end := time.Date(utc.Year(), utc.Month(), utc.Day(), q.to/60, q.to%60, 0, 0, time.UTC)
	if !end.After(utc) {
		end = end.AddDate(0, 0, 1)
	}
	return end
}

func clock(text string) (hour, minute int, err error) {
	h, m, found := strings.Cut(text, ":")
	if !found || len(h) == 0 || len(h) > 2 || len(m) != 2 {
		return 0, 0, fmt.Errorf("%q is not a time of day like 03:00", printable(text))
	}
	hour, hourErr := strconv.Atoi(h)
	minute, minuteErr := strconv.Atoi(m)
	if hourErr != nil || minuteErr != nil || hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, 0, fmt.Errorf("%q is not a time of day like 03:00", printable(text))
	}
	return hour, minute, nil
}

func fullWeekday(i int) string { return strings.ToLower(time.Weekday(i).String()) }

func badSchedule(text, why string) error {
	return errs.New(errs.Invalid, "bad_schedule", fmt.Sprintf("The schedule %q is not understood: %s.", printable(text), why), scheduleHint)
}

// printable cuts a user's text for an error message and drops what could move
// a terminal's cursor.
func printable(text string) string {
	out := strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return -1
		}
		return r
	}, text)
	if runes := []rune(out); len(runes) > 60 {
		return string(runes[:60]) + "…"
	}
	return out
}
