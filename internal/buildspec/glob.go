package buildspec

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A File is one file of an artifact.
type File struct {
	Path string // on disk
	Name string // in the artifact, with slashes
}

// Find returns the files of set in the folder source, by name. A pattern that
// matches nothing is skipped, as in CodeBuild; if all are, the list is empty.
// Of two files with one name, which discarded paths can lead to, the first in
// the order of their paths is taken.
func (set Fileset) Find(source string) ([]File, error) {
	bases, err := set.bases(source)
	if err != nil {
		return nil, err
	}
	exclude, err := patterns(source, set.Exclude)
	if err != nil {
		return nil, err
	}
	found := map[string]string{}
	for _, base := range bases {
		include, err := patterns(base, set.Files)
		if err != nil {
			return nil, err
		}
		for _, p := range include {
			err := p.walk(base, func(file string) {
				rel := filepath.ToSlash(file)
				if slices.ContainsFunc(exclude, func(x pattern) bool { return x.excludes(rel) }) {
					return
				}
				name := rel
				if set.Discard {
					name = path.Base(rel)
				}
				if have, ok := found[name]; !ok || filepath.Join(base, file) < have {
					found[name] = filepath.Join(base, file)
				}
			}, set.Symlinks)
			if err != nil {
				return nil, err
			}
		}
	}
	files := make([]File, 0, len(found))
	for name, file := range found {
		files = append(files, File{file, name})
	}
	slices.SortFunc(files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return files, nil
}

// bases returns the folders that patterns are relative to.
func (set Fileset) bases(source string) ([]string, error) {
	if set.Base == "" || set.Base == "." {
		return []string{source}, nil
	}
	base, err := inside(source, set.Base)
	if err != nil {
		return nil, fmt.Errorf("base-directory %w", err)
	}
	if !strings.ContainsAny(base, "*?[{") {
		return []string{filepath.Join(source, base)}, nil
	}
	re, err := compile(base)
	if err != nil {
		return nil, err
	}
	var bases []string
	depth := strings.Count(base, "/")
	err = filepath.WalkDir(source, func(file string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(source, file)
		rel = filepath.ToSlash(rel)
		if err != nil || !d.IsDir() || rel == "." {
			return err
		}
		if re.MatchString(rel) {
			bases = append(bases, file)
		}
		if strings.Count(rel, "/") >= depth {
			return fs.SkipDir
		}
		return nil
	})
	return bases, err
}

// inside returns p relative to dir, or an error if it is elsewhere.
func inside(dir, p string) (string, error) {
	clean := path.Clean(filepath.ToSlash(p))
	if path.IsAbs(clean) {
		rel, ok := strings.CutPrefix(clean+"/", filepath.ToSlash(dir)+"/")
		if !ok {
			return "", fmt.Errorf("%s is outside the source folder", p)
		}
		clean = path.Clean(rel)
	}
	if clean == ".." || strings.HasPrefix(clean, "../") {
		return "", fmt.Errorf("%s is outside the source folder", p)
	}
	return clean, nil
}

// A pattern is a path in which * stands for part of a name, ** for any number
// of folders, ? for a character, [a-z] for one of some, {a,b} for a choice.
type pattern struct {
	text string         // relative, clean
	fix  string         // its leading folders without wildcards, or all of it
	re   *regexp.Regexp // nil if it has no wildcard
}

func patterns(dir string, texts []string) ([]pattern, error) {
	list := make([]pattern, 0, len(texts))
	for _, text := range texts {
		clean, err := inside(dir, text)
		if err != nil {
			return nil, err
		}
		p := pattern{text: clean, fix: clean}
		if i := strings.IndexAny(clean, "*?[{"); i >= 0 {
			p.fix = path.Dir(clean[:i] + "x")
			if p.re, err = compile(clean); err != nil {
				return nil, err
			}
		}
		list = append(list, p)
	}
	return list, nil
}

// compile translates a pattern into a regular expression.
func compile(glob string) (*regexp.Regexp, error) {
	var re strings.Builder
	re.WriteString(`\A`)
	braces := 0
	for i := 0; i < len(glob); i++ {
		rest := glob[i:]
		switch c := glob[i]; {
		case strings.HasPrefix(rest, "**/") && (i == 0 || glob[i-1] == '/'):
			re.WriteString(`(?:.*/)?`)
			i += 2
		case strings.HasPrefix(rest, "**"):
			re.WriteString(`.*`)
			i++
		case c == '*':
			re.WriteString(`[^/]*`)
		case c == '?':
			re.WriteString(`[^/]`)
		case c == '[':
			end := strings.IndexByte(rest, ']')
			if end < 2 {
				return nil, fmt.Errorf("pattern %s: [ has no ]", glob)
			}
			class := rest[1:end]
			re.WriteByte('[')
			if class[0] == '!' || class[0] == '^' {
				re.WriteByte('^')
				class = class[1:]
			}
			re.WriteString(strings.NewReplacer(`\`, `\\`, `[`, `\[`).Replace(class) + "]")
			i += end
		case c == '{':
			braces++
			re.WriteString(`(?:`)
		case c == '}' && braces > 0:
			braces--
			re.WriteByte(')')
		case c == ',' && braces > 0:
			re.WriteByte('|')
		default:
			re.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	if braces > 0 {
		return nil, fmt.Errorf("pattern %s: { has no }", glob)
	}
	re.WriteString(`\z`)
	compiled, err := regexp.Compile("(?s)" + re.String())
	if err != nil {
		return nil, fmt.Errorf("pattern %s: %w", glob, err)
	}
	return compiled, nil
}

// excludes reports whether p names rel or a folder above it.
func (p pattern) excludes(rel string) bool {
	for ; rel != "."; rel = path.Dir(rel) {
		if p.re == nil && p.text == rel || p.re != nil && p.re.MatchString(rel) {
			return true
		}
	}
	return false
}

// walk calls add with every file in base that p names, relative to it: the
// files that match, or all below a folder named without wildcards.
func (p pattern) walk(base string, add func(string), symlinks bool) error {
	err := filepath.WalkDir(filepath.Join(base, filepath.FromSlash(p.fix)), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(base, file)
		if err != nil || d.IsDir() {
			return err
		}
		if p.re != nil && !p.re.MatchString(filepath.ToSlash(rel)) {
			return nil
		}
		if d.Type()&fs.ModeSymlink != 0 {
			if target, err := os.Stat(file); !symlinks && (err != nil || !target.Mode().IsRegular()) {
				return nil // to nowhere, or to a folder
			}
		} else if !d.Type().IsRegular() {
			return nil
		}
		add(rel)
		return nil
	})
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
