package trigger_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/sluice-ci/sluice/internal/trigger"
)

func TestGlob(t *testing.T) {
	tests := []struct {
		pattern string
		yes, no []string
	}{
		{"main", []string{"main"}, []string{"", "Main", "main2", "xmain", "main/a", "main\n"}},
		{"feature/*", []string{"feature/a", "feature/"}, []string{"feature", "feature/a/b", "xfeature/a"}},
		{"feature/**", []string{"feature/a", "feature/a/b"}, []string{"feature", "features/a"}},
		{"*", []string{"", "main", ".hidden", "v1.0"}, []string{"feature/a"}},
		{"**", []string{"", "main", "feature/a/b"}, nil},
		{"**.md", []string{"a.md", "docs/a.md", "docs/x/a.md", ".md"}, []string{"a.mdx", "md"}},
		{"*.java", []string{"A.java", ".java"}, []string{"src/A.java", "A.javac"}},
		{"*.*", []string{"a.b", "a.b.c", "."}, []string{"a", "a/b.c"}},
		{"*.{java,class}", []string{"A.java", "A.class"}, []string{"A.jar", "A."}},
		{"foo.?", []string{"foo.a", "foo.é"}, []string{"foo.", "foo.ab", "foo./"}},
		{"projects/**", []string{"projects/a", "projects/a/b.go"}, []string{"projects", "other/projects/a"}},
		{"common/**/*.js", []string{"common/a.js", "common/x/a.js", "common/x/y/a.js"}, []string{"common.js", "common/a.ts", "commonx/a.js"}},
		{"**/README.md", []string{"README.md", "a/README.md", "a/b/README.md"}, []string{"aREADME.md", "README.md/a"}},
		{"a**/b", []string{"a/b", "ax/b", "ax/y/b"}, []string{"ab", "b"}},
		{"a/***/b", []string{"a/b", "a/x/y/b"}, []string{"ab"}},
		{"v[0-9].*", []string{"v1.0", "v9."}, []string{"vx.0", "v10.0"}},
		{"[abc]", []string{"a", "b", "c"}, []string{"", "d", "ab"}},
		{"[!a]x", []string{"bx", "éx"}, []string{"ax", "/x", "x"}},
		{"[a-]", []string{"a", "-"}, []string{"b"}},
		{`[\]\\]`, []string{"]", `\`}, []string{"a"}},
		{"[+-9]", []string{"+", ".", "0", "9"}, []string{"/", ":"}},
		{"[/]", nil, []string{"/", "a", ""}},
		{"[^a]", []string{"^", "a"}, []string{"b"}},
		{"{a,b/**,}c", []string{"ac", "b/c", "b/x/c", "c"}, []string{"bc", "a"}},
		{"{**/a,b}", []string{"a", "x/a", "b"}, []string{"xa", "x/b"}},
		{`\*\{a\,b\}\\`, []string{`*{a,b}\`}, []string{"xab"}},
		{"a,b}]-!", []string{"a,b}]-!"}, nil},
		{"(a|b)+.$^", []string{"(a|b)+.$^"}, []string{"a", "aa"}},
		{"a?b", []string{"a\xffb", "a\nb"}, []string{"a/b"}},
		{"", []string{""}, []string{"a"}},
	}
	for _, tt := range tests {
		g, err := trigger.Compile(tt.pattern)
		if err != nil {
			t.Errorf("Compile: %v", err)
			continue
		}
		for _, name := range tt.yes {
			if !g.Match(name) {
				t.Errorf("%s does not match %q", tt.pattern, name)
			}
		}
		for _, name := range tt.no {
			if g.Match(name) {
				t.Errorf("%s matches %q", tt.pattern, name)
			}
		}
	}
}

func TestGlobMalformed(t *testing.T) {
	tests := map[string]string{
		"[a":      "not closed",
		"[":       "not closed",
		"[a-":     "not closed",
		"[]":      "empty",
		"[!]":     "empty",
		"[z-a]":   "backwards",
		"{a":      "not closed",
		"{a,{b}}": "do not nest",
		`a\`:      "is last",
		"\xff":    "not UTF-8",
	}
	for pattern, want := range tests {
		if _, err := trigger.Compile(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Compile(%q) = %v; want an error with %q", pattern, err, want)
		}
	}
}

// TestGlobIsLinear would run for longer than the universe if the matcher
// backtracked.
func TestGlobIsLinear(t *testing.T) {
	g, err := trigger.Compile(strings.Repeat("**a", 80) + "b")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if g.Match(strings.Repeat("a", 10_000)) {
		t.Error("matched without a b")
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

// TestGlobAgreesWithItsDefinition compares with a matcher that is slow and
// reads like the rules.
func TestGlobAgreesWithItsDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		piece := rapid.SampledFrom([]string{"a", "b", "/", "*", "**", "/**/", "?", "[ab]", "[!a]", "{a,b*a}", "{b?,a}", `\?`})
		pattern := strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pattern"), "")
		name := rapid.StringMatching(`[ab/?]{0,8}`).Draw(t, "name")
		g, err := trigger.Compile(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := g.Match(name), slowMatch(expand(pattern), name); got != want {
			t.Fatalf("%s matches %q: %v; want %v", pattern, name, got, want)
		}
	})
}

// expand writes every alternative of a pattern out.
func expand(pattern string) []string {
	m := regexp.MustCompile(`\{([^}]*)\}`).FindStringSubmatchIndex(pattern)
	if m == nil {
		return []string{pattern}
	}
	var all []string
	for _, alternative := range strings.Split(pattern[m[2]:m[3]], ",") {
		all = append(all, expand(pattern[:m[0]]+alternative+pattern[m[1]:])...)
	}
	return all
}

func slowMatch(patterns []string, name string) bool {
	for _, p := range patterns {
		if slow(regexp.MustCompile(`\*{2,}`).ReplaceAllString(p, "**"), name, true) {
			return true
		}
	}
	return false
}

// slow matches p against s; folder says whether p stands where a folder's name
// may begin.
func slow(p, s string, folder bool) bool {
	switch {
	case p == "":
		return s == ""
	case strings.HasPrefix(p, "**/") && folder:
		for i := range s {
			if s[i] == '/' && slow(p[3:], s[i+1:], true) {
				return true
			}
		}
		return slow(p[3:], s, true)
	case strings.HasPrefix(p, "**"):
		return slow(p[2:], s, false) || s != "" && slow(p, s[1:], false)
	case p[0] == '*':
		return slow(p[1:], s, false) || s != "" && s[0] != '/' && slow(p, s[1:], false)
	case s == "":
		return false
	case p[0] == '?':
		return s[0] != '/' && slow(p[1:], s[1:], false)
	case strings.HasPrefix(p, "[ab]"):
		return (s[0] == 'a' || s[0] == 'b') && slow(p[4:], s[1:], false)
	case strings.HasPrefix(p, "[!a]"):
		return s[0] != 'a' && s[0] != '/' && slow(p[4:], s[1:], false)
	case p[0] == '\\':
		return p[1] == s[0] && slow(p[2:], s[1:], false)
	}
	return p[0] == s[0] && slow(p[1:], s[1:], p[0] == '/')
}

// FuzzGlob looks for a panic, and for a name that does not match itself.
func FuzzGlob(f *testing.F) {
	for _, seed := range []string{"feature/**", "[!a-z]", "{a,b}", `\*`, "[", "**/*.{js,ts}", "[]-a]", "[\\"} {
		f.Add(seed, "feature/a")
	}
	escape := regexp.MustCompile(`[*?\[\]{},\\!-]`)
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if g, err := trigger.Compile(pattern); err == nil {
			g.Match(name)
		}
		g, err := trigger.Compile(escape.ReplaceAllString(pattern, `\$0`))
		if err != nil {
			return // not UTF-8
		}
		if !g.Match(pattern) || name != pattern && g.Match(name) {
			t.Errorf("%q, escaped, matches itself: %v, %q: %v", pattern, g.Match(pattern), name, g.Match(name))
		}
	})
}
