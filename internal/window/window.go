// Package window knows when a deployment window is open: the Cron and TimeZone
// of a DeploymentWindow rule (reference of the rule, user guide).
//
// A window is open in every minute that its Quartz expression matches by the
// clocks of its zone; the field of seconds is ignored. It says nothing about
// how the hour counts that a zone lives through twice, or never: each minute
// that the clocks show counts when they show it.
package window

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a function's machine has no zones of its own

	"github.com/reugn/go-quartz/quartz"
)

// A Window is a set of minutes. The zero value is not usable; call Parse.
type Window struct {
	cron *quartz.CronTrigger // by a clock of UTC that shows what the zone's clocks show
	zone *time.Location
}

// ErrNever says that a window does not open any more.
var ErrNever = errors.New("the window never opens again")

// Parse reads a Quartz expression of 6 or 7 fields and a zone: Region/City,
// UTC+hh:mm, a known abbreviation, or "" for UTC.
func Parse(cron, zone string) (Window, error) {
	loc, err := location(zone)
	if err != nil {
		return Window{}, err
	}
	fields := strings.Fields(cron)
	if len(fields) < 6 || len(fields) > 7 {
		return Window{}, fmt.Errorf("the Cron %q has %d fields; write 6 or 7: seconds minutes hours day-of-month month day-of-week [year]", cron, len(fields))
	}
	fields[0] = "0"
	trigger, err := quartz.NewCronTrigger(strings.ToUpper(strings.Join(fields, " ")))
	if err != nil {
		return Window{}, fmt.Errorf("the Cron %q is no Quartz expression: %w", cron, err)
	}
	return Window{trigger, loc}, nil
}

// Open reports whether w is open at t.
func (w Window) Open(t time.Time) bool {
	return w.matches(face(t.In(w.zone)))
}

// matches reports whether the expression has a minute. The library is asked
// for what follows the second before.
func (w Window) matches(minute time.Time) bool {
	next, err := w.after(minute.Add(-time.Second))
	return err == nil && next.Equal(minute)
}

// Next returns t if w is open then, or else when it opens next. It fails with
// ErrNever.
func (w Window) Next(t time.Time) (time.Time, error) {
	if w.Open(t) {
		return t, nil
	}
	for shown := face(t.In(w.zone)); ; {
		next, err := w.after(shown)
		if err != nil {
			return time.Time{}, err
		}
		// The library takes 29 February for 1 March in other years.
		if at, ok := w.shows(next, t); ok && w.matches(next) {
			return w.repeated(t, at), nil
		}
		shown = next // the clocks skip it, or it is past
	}
}

// repeated returns the first minute behind t, and before at, in which w is
// open because the clocks were set back: they show an hour again that an
// expression has matched before.
func (w Window) repeated(t, at time.Time) time.Time {
	_, before := t.In(w.zone).Zone()
	for m := t.Truncate(time.Minute).Add(time.Minute); m.Before(at) && m.Sub(t) < 26*time.Hour; m = m.Add(time.Minute) {
		if _, now := m.In(w.zone).Zone(); now < before && w.Open(m) {
			return m
		}
	}
	return at
}

// after returns the first minute of the expression behind t, on the clock of UTC.
func (w Window) after(t time.Time) (time.Time, error) {
	next, err := w.cron.NextFireTime(t.UnixNano())
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrNever, err)
	}
	return time.Unix(0, next).UTC(), nil
}

// shows returns when the clocks of the zone show a minute for the first time
// behind t, if they do.
func (w Window) shows(minute, t time.Time) (time.Time, bool) {
	at := time.Date(minute.Year(), minute.Month(), minute.Day(), minute.Hour(), minute.Minute(), 0, 0, w.zone)
	for _, back := range []time.Duration{time.Hour, time.Hour / 2} { // how far clocks are set back
		if first := at.Add(-back); face(first).Equal(minute) && first.After(t) {
			return first, true
		}
	}
	return at, face(at).Equal(minute) && at.After(t)
}

// face returns what clocks show at t, to the minute, as a time of UTC.
func face(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, time.UTC)
}

// location returns the zone of that name.
func location(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if offset, ok := strings.CutPrefix(strings.ToUpper(name), "UTC"); ok && offset != "" {
		t, err := time.Parse("-07:00", offset)
		if err != nil {
			return nil, fmt.Errorf("TimeZone %q: an offset is written UTC+hh:mm", name)
		}
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds), nil
	}
	if city, ok := abbreviations[strings.ToUpper(name)]; ok {
		name = city
	}
	loc, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return nil, fmt.Errorf("TimeZone %q is unknown; write Region/City such as Europe/Berlin, UTC+hh:mm, or nothing for UTC", name)
	}
	return loc, nil
}

// abbreviations are the ones that name one zone to most people, as Java reads
// them; those the zone database has itself, such as CET, need no entry.
var abbreviations = map[string]string{
	"PST": "America/Los_Angeles", "PDT": "America/Los_Angeles", "CST": "America/Chicago", "CDT": "America/Chicago",
	"EDT": "America/New_York", "MDT": "America/Denver", "IST": "Asia/Kolkata", "JST": "Asia/Tokyo",
	"AET": "Australia/Sydney", "BST": "Europe/London", "CEST": "Europe/Paris",
}
