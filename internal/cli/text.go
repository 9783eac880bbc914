package cli

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
)

// A style is how a terminal shows a text.
type style string

const (
	bold   style = "1"
	dim    style = "2"
	red    style = "31"
	green  style = "32"
	yellow style = "33"
	cyan   style = "36"
)

// paint returns text in a style, if this run uses colours.
func (p *program) paint(text string, s style) string {
	if !p.color || s == "" || text == "" {
		return text
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[0m"
}

// escape finds the control sequences of terminals.
var escape = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])?`)
})

// clean returns text without anything that does more to a terminal than print
// a character. What a command overwrote with a carriage return is left out.
// Line ends stay if lines is set, else they become spaces.
func clean(text string, lines bool) string {
	if strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r >= 0x80 }) < 0 {
		return text
	}
	text = escape().ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "\r\n", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && lines:
			return r
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r) || isBidi(r):
			return -1
		}
		return r
	}, text)
}

// isBidi reports whether r changes the direction of text, and so what a line
// seems to say.
func isBidi(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f
}

// logLine returns a line of a log as a terminal may see it.
func logLine(line string) string {
	line = strings.TrimSuffix(line, "\r")
	if i := strings.LastIndexByte(line, '\r'); i >= 0 { // a progress bar: what was printed last
		line = line[i+1:]
	}
	return clean(strings.ReplaceAll(line, "\t", "    "), false)
}

// width returns how many cells of a terminal r takes.
func width(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Me, r) || unicode.Is(unicode.Cf, r):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3, r >= 0xf900 && r <= 0xfaff,
		r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0xffe0 && r <= 0xffe6, r >= 0x1f300 && r <= 0x1faff,
		r >= 0x20000 && r <= 0x3fffd:
		return 2
	}
	return 1
}

// cells returns how many cells text takes. Styles take none.
func cells(text string) int {
	n, inside := 0, false
	for _, r := range text {
		switch {
		case r == 0x1b:
			inside = true
		case inside:
			inside = r != 'm'
		default:
			n += width(r)
		}
	}
	return n
}

// cut returns text in at most limit cells; what was cut off shows as "…".
func cut(text string, limit int) string {
	if cells(text) <= limit {
		return text
	}
	if limit < 1 {
		return ""
	}
	var b strings.Builder
	n, inside, styled := 0, false, false
	for _, r := range text {
		switch {
		case r == 0x1b:
			inside, styled = true, true
		case inside:
			inside = r != 'm'
		case n+width(r) > limit-1:
			b.WriteString("…")
			if styled {
				b.WriteString("\x1b[0m")
			}
			return b.String()
		default:
			n += width(r)
		}
		b.WriteRune(r)
	}
	return b.String()
}

// pad returns text in at least n cells.
func pad(text string, n int) string {
	return text + strings.Repeat(" ", max(n-cells(text), 0))
}

// columns lines up rows: each column is as wide as its widest cell.
func columns(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], cells(cell))
		}
	}
	lines := make([]string, len(rows))
	for i, row := range rows {
		var b strings.Builder
		for j, cell := range row {
			b.WriteString(pad(cell, widths[j]) + "  ")
		}
		lines[i] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// span returns d for a person.
func span(d time.Duration) string {
	switch d = max(d, 0); {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// clock returns t in the user's time zone.
func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// short returns the beginning of an id: enough for a person.
func short(id string) string { return id[:min(len(id), 8)] }

// count returns n things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
