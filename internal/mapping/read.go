package mapping

import (
	"bytes"

	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// File is the name a mapping is looked for under, beside the definition.
const File = "sluice.local.yaml"

// Read reads a mapping. Relative paths in it start at the folder of file, ~/
// at the user's home. It reports every mistake at once, each with file, line
// and path of the value; the code is Validation.
func Read(file string) (Mapping, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Mapping{}, pipeline.Errorf(pipeline.Validation, "read mapping: %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		return Mapping{}, fmt.Errorf("read mapping: %w", err)
	}
	r := reader{file: file, dir: dir}
	m := r.read(text)
	if len(r.problems) > 0 {
		return Mapping{}, pipeline.Errorf(pipeline.Validation, "%w", errors.Join(r.problems...))
	}
	return m, nil
}

// A reader walks a document and collects what is wrong with it. It reads the
// nodes itself because decoding into a struct reports neither the line of an
// unknown key nor more than one kind of mistake.
type reader struct {
	file, dir string
	problems  []error
}

// fail notes a mistake at n.
func (r *reader) fail(n *yaml.Node, path, format string, args ...any) {
	where := fmt.Sprintf("%s:%d: ", r.file, n.Line)
	if path != "" {
		where += path + ": "
	}
	r.problems = append(r.problems, errors.New(where+fmt.Sprintf(format, args...)))
}

func (r *reader) read(text []byte) Mapping {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		// The library names the line: "yaml: line 3: ...".
		line, why, ok := strings.Cut(strings.TrimPrefix(err.Error(), "yaml: line "), ": ")
		if _, numeric := strconv.Atoi(line); !ok || numeric != nil {
			line, why = "1", strings.TrimPrefix(err.Error(), "yaml: ")
		}
		r.problems = append(r.problems, fmt.Errorf("%s:%s: not YAML: %s", r.file, line, why))
		return Mapping{}
	}
	var m Mapping
	if len(doc.Content) == 0 || len(bytes.TrimSpace(text)) == 0 {
		return m // an empty file maps nothing
	}
	r.fields(doc.Content[0], "", map[string]field{
		"repositories": func(n *yaml.Node, path string) { m.Repositories = entries(r, n, path, r.repository) },
		"buckets":      func(n *yaml.Node, path string) { m.Buckets = entries(r, n, path, r.folder) },
		"projects":     func(n *yaml.Node, path string) { m.Projects = entries(r, n, path, r.project) },
		"secrets":      func(n *yaml.Node, path string) { m.Secrets = r.secrets(n, path) },
	})
	return m
}

func (r *reader) repository(n *yaml.Node, path string) Repository {
	var repo Repository
	if n.Kind != yaml.MappingNode {
		repo.Path = r.folder(n, path)
		return repo
	}
	r.fields(n, path, map[string]field{
		"path": func(n *yaml.Node, path string) { repo.Path = r.folder(n, path) },
	})
	if repo.Path == "" && !slices.ContainsFunc(n.Content, func(k *yaml.Node) bool { return k.Value == "path" }) {
		r.fail(n, path, "path is missing; write path: FOLDER, the folder of a git repository")
	}
	return repo
}

func (r *reader) project(n *yaml.Node, path string) Project {
	p := Project{Timeout: 60}
	r.fields(n, path, map[string]field{
		"buildspec":        func(n *yaml.Node, path string) { p.Buildspec = r.text(n, path) },
		"environment":      func(n *yaml.Node, path string) { p.Environment = entries(r, n, path, r.text) },
		"variables":        func(n *yaml.Node, path string) { p.Variables = list(r, n, path, r.variable) },
		"image":            func(n *yaml.Node, path string) { p.Image = r.text(n, path) },
		"cache":            func(n *yaml.Node, path string) { p.Cache = list(r, n, path, r.text) },
		"timeoutInMinutes": func(n *yaml.Node, path string) { p.Timeout = r.minutes(n, path) },
	})
	return p
}

// variableTypes are the types CodeBuild knows.
var variableTypes = []string{"PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"}

func (r *reader) variable(n *yaml.Node, path string) EnvironmentVariable {
	v := EnvironmentVariable{Type: "PLAINTEXT"}
	r.fields(n, path, map[string]field{
		"name":  func(n *yaml.Node, path string) { v.Name = r.text(n, path) },
		"value": func(n *yaml.Node, path string) { v.Value = r.text(n, path) },
		"type":  func(n *yaml.Node, path string) { v.Type = r.text(n, path) },
	})
	if n.Kind == yaml.MappingNode && v.Name == "" {
		r.fail(n, path, "name is missing; write name: VARIABLE")
	}
	if !slices.Contains(variableTypes, v.Type) {
		r.fail(n, path+".type", "type %q is unknown; write %s", v.Type, strings.Join(variableTypes, ", "))
	}
	return v
}

func (r *reader) minutes(n *yaml.Node, path string) int {
	v, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil || v < 5 || v > 2160 {
		r.fail(n, path, "%q is no timeout; write a number of minutes from 5 to 2160", n.Value)
	}
	return v
}

// text returns a scalar as it is written, so that 007 and yes stay what they
// look like.
func (r *reader) text(n *yaml.Node, path string) string {
	if n.Kind != yaml.ScalarNode {
		r.fail(n, path, "text is expected, not %s", kind(n))
		return ""
	}
	if n.Tag == "!!null" {
		return ""
	}
	return n.Value
}

// folder returns an existing folder as an absolute path.
func (r *reader) folder(n *yaml.Node, path string) string {
	abs, info := r.place(n, path)
	if info != nil && !info.IsDir() {
		r.fail(n, path, "%q is not a folder; write the path of a folder", abs)
	}
	return abs
}

// secrets returns the file of secrets, which nobody else may read.
func (r *reader) secrets(n *yaml.Node, path string) string {
	abs, info := r.place(n, path)
	switch {
	case info == nil:
	case !info.Mode().IsRegular():
		r.fail(n, path, "%q is not a file; write the path of a file of secrets", abs)
	case info.Mode().Perm()&0o077 != 0:
		r.fail(n, path, "others may read %q (mode %#o); run chmod 600 %s", abs, info.Mode().Perm(), abs)
	}
	return abs
}

// place resolves a path. Info is nil when a mistake was noted.
func (r *reader) place(n *yaml.Node, path string) (abs string, info fs.FileInfo) {
	text := r.text(n, path)
	if text == "" {
		if n.Kind == yaml.ScalarNode {
			r.fail(n, path, "the path is empty; write a path, relative to %s or absolute", r.dir)
		}
		return "", nil
	}
	abs, err := resolve(r.dir, text)
	if err == nil {
		info, err = os.Stat(abs)
	}
	if err != nil {
		r.fail(n, path, "%v", explain(text, abs, err))
		return abs, nil
	}
	return abs, info
}

// resolve makes path absolute, starting from dir.
func resolve(dir, path string) (string, error) {
	if path == "~" || strings.HasPrefix(path, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return path, err
		}
		return filepath.Join(home, path[1:]), nil
	}
	if filepath.IsAbs(path) {
		return filepath.Clean(path), nil
	}
	return filepath.Join(dir, path), nil
}

// explain says why a path that was written as text cannot be used.
func explain(text, abs string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%q does not exist (%s); create it, or write the path of one that does", text, abs)
	}
	return fmt.Errorf("%q cannot be used: %w", text, err)
}

// A field reads the value of one key.
type field func(n *yaml.Node, path string)

// fields reads a node that has a fixed set of keys.
func (r *reader) fields(n *yaml.Node, path string, known map[string]field) {
	r.keys(n, path, func(key, value *yaml.Node) {
		read, ok := known[key.Value]
		if !ok {
			r.fail(key, path, "unknown key %q; %s", key.Value, suggest(key.Value, known))
			return
		}
		read(value, join(path, key.Value))
	})
}

// entries reads a node whose keys are names.
func entries[V any](r *reader, n *yaml.Node, path string, read func(*yaml.Node, string) V) map[string]V {
	m := make(map[string]V)
	r.keys(n, path, func(key, value *yaml.Node) { m[key.Value] = read(value, join(path, key.Value)) })
	return m
}

// list reads a sequence.
func list[V any](r *reader, n *yaml.Node, path string, read func(*yaml.Node, string) V) []V {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, path, "a list is expected, not %s", kind(n))
		return nil
	}
	var all []V
	for i, v := range n.Content {
		all = append(all, read(follow(v), fmt.Sprintf("%s[%d]", path, i)))
	}
	return all
}

// keys calls each for every pair of a mapping node. A key without a value is
// the same as no key.
func (r *reader) keys(n *yaml.Node, path string, each func(key, value *yaml.Node)) {
	n = follow(n)
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fail(n, path, "keys and values are expected, not %s", kind(n))
		return
	}
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode || key.Value == "" {
			r.fail(key, path, "a key must be text, not %s", kind(key))
			continue
		}
		if line, again := seen[key.Value]; again {
			r.fail(key, join(path, key.Value), "%q is written twice, first in line %d; remove one", key.Value, line)
			continue
		}
		seen[key.Value] = key.Line
		each(key, follow(n.Content[i+1]))
	}
}

// follow returns what an alias stands for. An alias cannot stand for another.
func follow(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	return strconv.Quote(n.Value)
}

// suggest says which of the known keys was meant by key.
func suggest(key string, known map[string]field) string {
	names := slices.Sorted(maps.Keys(known))
	if best := pipeline.Nearest(key, names); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known are " + strings.Join(names, ", ")
}
