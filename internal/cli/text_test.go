package cli_test

import (
	"strings"
	"testing"
	"unicode"

	"github.com/sluice-ci/sluice/internal/cli"
)

func TestNoForeignEscape(t *testing.T) {
	tests := map[string]string{
		"plain":                            "plain",
		"\x1b[31mred\x1b[0m":               "red",
		"\x1b[2J\x1b[1;1Hgone":             "gone",
		"\x1b]0;title\x07text":             "text",
		"\x1b]8;;http://x\x1b\\link":       "link",
		"10%\r50%\r100%":                   "100%",
		"line\r":                           "line",
		"a\tb":                             "a    b",
		"bell\a and \u009b31m":             "bell and 31m",
		"\u202eesrever":                    "esrever",
		"\x1b":                             "",
		"\x1b[":                            "",
		"tab and \x1bPdevice\x1b\\control": "tab and control",
		"ünïcödé 世界":                       "ünïcödé 世界",
	}
	for in, want := range tests {
		if got := cli.Log(in); got != want {
			t.Errorf("Log(%q) = %q; want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		in    string
		limit int
		want  string
	}{
		{"short", 5, "short"},
		{"longer", 5, "long…"},
		{"世界世界", 5, "世界…"},
		{"\x1b[31mcolour\x1b[0m", 4, "\x1b[31mcol…\x1b[0m"},
		{"x", 0, ""},
	}
	for _, tt := range tests {
		if got := cli.Cut(tt.in, tt.limit); got != tt.want {
			t.Errorf("Cut(%q, %d) = %q; want %q", tt.in, tt.limit, got, tt.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	for in, want := range map[string]string{"a-b/c.d": "a-b/c.d", "two words": "'two words'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "": "''"} {
		if got := cli.Quoted(in); got != want {
			t.Errorf("Quoted(%q) = %s; want %s", in, got, want)
		}
	}
}

func FuzzLog(f *testing.F) {
	f.Add("\x1b[31mred")
	f.Add("a\r\nb\x00")
	f.Fuzz(func(t *testing.T, line string) {
		got := cli.Log(line)
		if i := strings.IndexFunc(got, unicode.IsControl); i >= 0 {
			t.Errorf("Log(%q) = %q has a control character", line, got)
		}
		if n := cli.Cells(cli.Cut(got, 10)); n > 10 {
			t.Errorf("Cut(%q, 10) takes %d cells", got, n)
		}
	})
}
