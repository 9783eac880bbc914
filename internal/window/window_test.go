package window_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/window"
)

func at(t *testing.T, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestNext has when a window opens next; "open" means that it is.
func TestNext(t *testing.T) {
	const office = "0 0-59 9-17 ? * MON-FRI *"
	for _, tt := range []struct{ name, cron, zone, now, want string }{
		{"open", office, "", "2026-11-23T10:30:15Z", "open"},
		{"the last minute", office, "", "2026-11-20T17:59:59Z", "open"},
		{"just closed, over the weekend", office, "", "2026-11-20T18:00:00Z", "2026-11-23T09:00:00Z"},
		{"one minute an hour", "0 0 9-17 ? * MON-FRI *", "", "2026-11-23T10:01:00Z", "2026-11-23T11:00:00Z"},
		{"seconds are ignored", "30 15 10 * * ?", "", "2026-11-23T10:15:01Z", "open"},
		{"lower case", "0 0 9 ? * mon-fri", "", "2026-11-21T00:00:00Z", "2026-11-23T09:00:00Z"},
		{"a city", office, "Asia/Tokyo", "2026-11-23T00:00:00Z", "open"},
		{"an offset", office, "UTC+05:30", "2026-11-23T03:29:00Z", "2026-11-23T03:30:00Z"},
		{"an abbreviation", office, "PST", "2026-07-06T15:59:00Z", "2026-07-06T16:00:00Z"},
		{"29 February", "0 0 12 29 2 ?", "", "2026-03-01T00:00:00Z", "2028-02-29T12:00:00Z"},
		{"last day of a month", "0 0 12 L * ?", "", "2026-02-01T00:00:00Z", "2026-02-28T12:00:00Z"},
		{"third Friday", "0 0 12 ? * 6#3", "", "2026-11-01T00:00:00Z", "2026-11-20T12:00:00Z"},

		// Berlin: clocks jump from 2:00 to 3:00 on 2026-03-29, and from 3:00 back to 2:00 on 2026-10-25.
		{"a minute that is skipped", "0 30 2 * * ?", "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-30T00:30:00Z"},
		{"behind the jump", "0 0 3 * * ?", "Europe/Berlin", "2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"},
		{"shown twice, the first time", "0 30 2 * * ?", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z"},
		{"shown twice, the second time", "0 30 2 * * ?", "Europe/Berlin", "2026-10-25T01:30:20Z", "open"},
		{"shown twice, in between", "0 30 2 * * ?", "Europe/Berlin", "2026-10-25T00:45:00Z", "2026-10-25T01:30:00Z"},
		{"open when the clocks go back", "0 * 2 * * ?", "Europe/Berlin", "2026-10-25T00:59:59Z", "open"},
		{"after both", "0 30 2 * * ?", "Europe/Berlin", "2026-10-25T01:31:00Z", "2026-10-26T01:30:00Z"},
		{"New York goes back", "0 30 1 * * ?", "America/New_York", "2026-11-01T05:31:00Z", "2026-11-01T06:30:00Z"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, err := window.Parse(tt.cron, tt.zone)
			if err != nil {
				t.Fatal(err)
			}
			now := at(t, tt.now)
			want := now
			if tt.want != "open" {
				want = at(t, tt.want)
			}
			got, err := w.Next(now)
			if err != nil || !got.Equal(want) {
				t.Errorf("at %s it opens at %s, %v; want %s", tt.now, got.UTC().Format(time.RFC3339), err, want.Format(time.RFC3339))
			}
			if open := w.Open(now); open != (tt.want == "open") {
				t.Errorf("open is %t at %s", open, tt.now)
			}
			if err == nil && !w.Open(got) {
				t.Errorf("it is not open at %s, when it was to open", got)
			}
		})
	}
}

// TestNextIsFirst compares Next with asking every minute, over both changes of
// the clocks.
func TestNextIsFirst(t *testing.T) {
	for _, cron := range []string{"0 30 2 * * ?", "0 0/20 1-3 * * ?", "0 0 3 ? * SUN", "0 59 1 * * ?"} {
		for _, day := range []string{"2026-03-28T22:00:00Z", "2026-10-24T22:00:00Z"} {
			w, err := window.Parse(cron, "Europe/Berlin")
			if err != nil {
				t.Fatal(err)
			}
			begin := at(t, day)
			var first time.Time // the first open minute from the minute on
			for m := 6 * 60; m >= 0; m-- {
				now := begin.Add(time.Duration(m) * time.Minute)
				if w.Open(now) {
					first = now
				}
				if first.IsZero() {
					continue
				}
				if got, err := w.Next(now); err != nil || !got.Equal(first) {
					t.Fatalf("%s at %s opens at %s, %v; want %s", cron, now, got.UTC(), err, first)
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct{ cron, zone, want string }{
		{"0 9 * * *", "", "has 5 fields"},
		{"0 0 25 * * ?", "", `"0 0 25 * * ?" is no Quartz expression`},
		{"0 0 9 * * ?", "Mars/Olympus", `"Mars/Olympus" is unknown`},
		{"0 0 9 * * ?", "Local", `"Local" is unknown`},
		{"0 0 9 * * ?", "UTC+5", "UTC+hh:mm"},
	} {
		if _, err := window.Parse(tt.cron, tt.zone); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Parse(%q, %q) gave %v; want %q", tt.cron, tt.zone, err, tt.want)
		}
	}
	w, err := window.Parse("0 0 9 * * ? 2020", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Next(at(t, "2026-01-01T00:00:00Z")); !errors.Is(err, window.ErrNever) {
		t.Errorf("a window of the past gave %v; want ErrNever", err)
	}
}
