// Package file is the store of secrets in a YAML file that only its owner can
// read:
//
//	secrets:
//	  npm-token: abc            # a value
//	  database:                 # or several, chosen by a json-key
//	    user: app
//	    password: xyz
//	parameters:
//	  /app/region: eu-central-1
//
// The file is read again whenever it is asked for something, so an edit counts
// at once. It knows one version of each secret, the stage AWSCURRENT.
package file

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/sluice-ci/sluice/internal/secret"
)

// maxSize is how large the file may be.
const maxSize = 1 << 20

// current is the one version stage there is.
const current = "AWSCURRENT"

// Store gives the values in a file.
type Store struct{ path string }

var _ secret.Store = (*Store)(nil)

// New returns the store in the file at path. The file may be missing until
// something is asked for; if it is there it is checked now.
func New(path string) (*Store, error) {
	if path == "" {
		return nil, errors.New("secret/file.New: path is required")
	}
	s := &Store{path}
	if _, err := s.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return s, nil
}

// content is what the file holds. Scalars are kept as they are written, so
// that 007 is no number.
type content struct {
	Secrets    map[string]yaml.Node `yaml:"secrets"`
	Parameters map[string]yaml.Node `yaml:"parameters"`
}

// read returns what the file holds. Its errors never quote the content.
func (s *Store) read() (*content, error) {
	f, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("secrets file %s does not exist: %w", s.path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("secrets file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("secrets file: %w", err)
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return nil, fmt.Errorf("secrets file %s is no regular file", s.path)
	case mode.Perm()&0o077 != 0:
		return nil, fmt.Errorf("secrets file %s can be read or changed by others (mode %04o): run chmod 600 %s", s.path, mode.Perm(), s.path)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("secrets file %s has %d bytes, more than %d", s.path, info.Size(), maxSize)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return nil, fmt.Errorf("secrets file: %w", err)
	}
	c := new(content)
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(c); err != nil && err != io.EOF {
		return nil, fmt.Errorf("secrets file %s is not as it should be%s: want {secrets: {id: value or map}, parameters: {name: value}}", s.path, line(err))
	}
	return c, nil
}

// line returns " (line 7)" of a YAML error, whose text may quote a secret.
func line(err error) string {
	var n int
	text := err.Error()
	if i := bytes.Index([]byte(text), []byte("line ")); i >= 0 {
		fmt.Sscanf(text[i:], "line %d", &n)
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" (line %d)", n)
}

// Secret implements secret.Store.
func (s *Store) Secret(ctx context.Context, ref string) (string, error) {
	r, err := secret.ParseRef(ref)
	if err != nil {
		return "", err
	}
	if r.VersionID != "" || r.VersionStage != "" && r.VersionStage != current {
		return "", fmt.Errorf("secret %s: file %s holds the stage %s only", ref, s.path, current)
	}
	c, err := s.read()
	if err != nil {
		return "", err
	}
	node, ok := c.Secrets[r.ID]
	if !ok {
		node, ok = c.Secrets[r.Name()]
	}
	if name := r.Name(); !ok && r.ID != name && len(name) > 7 && name[len(name)-7] == '-' {
		node, ok = c.Secrets[name[:len(name)-7]] // the ARN's random end
	}
	if !ok {
		return "", fmt.Errorf("secret %s is not in %s", r.ID, s.path)
	}
	return s.part(r, &node)
}

// part returns the part of a secret that r asks for.
func (s *Store) part(r secret.Ref, node *yaml.Node) (string, error) {
	switch node.Kind {
	case yaml.ScalarNode:
		if r.JSONKey == "" {
			return node.Value, nil
		}
		// Secrets Manager keeps maps as JSON text; so may the file.
		var fields map[string]any
		if err := json.Unmarshal([]byte(node.Value), &fields); err != nil {
			return "", fmt.Errorf("secret %s in %s has no key %q: it is one value", r.ID, s.path, r.JSONKey)
		}
		switch v := fields[r.JSONKey].(type) {
		case nil:
			return "", fmt.Errorf("secret %s in %s has no key %q", r.ID, s.path, r.JSONKey)
		case string:
			return v, nil
		default:
			b, err := json.Marshal(v)
			return string(b), err
		}
	case yaml.MappingNode:
		fields := map[string]string{}
		if err := node.Decode(&fields); err != nil {
			return "", fmt.Errorf("secret %s in %s (line %d): a map holds plain values only", r.ID, s.path, node.Line)
		}
		if r.JSONKey == "" {
			b, err := json.Marshal(fields)
			return string(b), err
		}
		v, ok := fields[r.JSONKey]
		if !ok {
			return "", fmt.Errorf("secret %s in %s has no key %q", r.ID, s.path, r.JSONKey)
		}
		return v, nil
	}
	return "", fmt.Errorf("secret %s in %s (line %d) is neither a value nor a map", r.ID, s.path, node.Line)
}

// Parameter implements secret.Store.
func (s *Store) Parameter(ctx context.Context, name string) (string, error) {
	c, err := s.read()
	if err != nil {
		return "", err
	}
	node, ok := c.Parameters[name]
	if !ok {
		return "", fmt.Errorf("parameter %s is not in %s", name, s.path)
	}
	if node.Kind != yaml.ScalarNode {
		return "", fmt.Errorf("parameter %s in %s (line %d) is not one value", name, s.path, node.Line)
	}
	return node.Value, nil
}
