// Package git reads git repositories of this machine through the git program.
//
// A repository is data of somebody else. What is asked of it can run nothing:
// no hook, no filter, no transport, no pager, no configuration of the user or
// the system. Names and ids are checked before git sees them, and it never
// sees one where an option could stand. Nothing here writes to a repository.
package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNotFound says that a repository lacks a branch, a tag or a commit.
var ErrNotFound = errors.New("does not exist")

// ErrIncomplete says that a commit cannot be packed: an object of it is missing,
// or its tree names files that must not be unpacked.
var ErrIncomplete = errors.New("cannot be packed")

// ErrNotRepository says that a folder holds no git repository.
var ErrNotRepository = errors.New("is not a git repository")

// A Repository is one git repository. It is safe for concurrent use.
type Repository struct {
	Path   string // as it was opened
	Dir    string // the git directory: Path, Path/.git, or where the file Path/.git points
	Common string // where refs and objects are; differs from Dir in a linked work tree
}

// Open finds the git directory of path, which is a bare repository or the root
// of a work tree. It starts no process. An error wraps ErrNotRepository.
func Open(path string) (*Repository, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(path, ".git")
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		dir = path // bare
	case err != nil:
		return nil, err
	case !info.IsDir():
		if dir, err = pointer(dir, "gitdir: "); err != nil {
			return nil, err
		}
	}
	common := dir
	if _, err := os.Stat(filepath.Join(dir, "commondir")); err == nil {
		if common, err = pointer(filepath.Join(dir, "commondir"), ""); err != nil {
			return nil, err
		}
	}
	for _, part := range []string{filepath.Join(dir, "HEAD"), filepath.Join(common, "objects"), filepath.Join(common, "refs")} {
		if _, err := os.Stat(part); err != nil {
			return nil, fmt.Errorf("%s %w: it has no %s; name a bare repository or the root of a work tree", path, ErrNotRepository, filepath.Base(part))
		}
	}
	return &Repository{Path: path, Dir: dir, Common: common}, nil
}

// pointer reads a file that holds a path, relative to where the file is.
func pointer(file, prefix string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	path, ok := strings.CutPrefix(strings.TrimSpace(string(text)), prefix)
	if !ok || path == "" || strings.ContainsAny(path, "\x00\n") {
		return "", fmt.Errorf("%s %w: %s does not name a folder", filepath.Dir(file), ErrNotRepository, filepath.Base(file))
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	return filepath.Clean(path), nil
}

// settings silence everything of a configuration that can run a program or
// change an answer. Those given here beat the repository's own.
var settings = []string{
	"-c", "core.hooksPath=/dev/null",
	"-c", "core.fsmonitor=false",
	"-c", "core.attributesFile=/dev/null",
	"-c", "core.quotePath=false",
	"-c", "protocol.allow=never",
	"-c", "log.showSignature=false",
	"-c", "i18n.logOutputEncoding=UTF-8",
	"-c", "gc.auto=0",
}

// environment is the caller's without any GIT_ of it, so that Sluice works the
// same inside a git hook, and with the doors of git closed.
func environment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") && !strings.HasPrefix(v, "LC_") && !strings.HasPrefix(v, "LANG") {
			env = append(env, v)
		}
	}
	return append(env,
		"GIT_CONFIG_NOSYSTEM=1",
		"GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1",
		"GIT_ALLOW_PROTOCOL=none", // beats protocol.<name>.allow of the repository; a lazy fetch would need one
		"GIT_TERMINAL_PROMPT=0",
		"GIT_ASKPASS=false",
		"GIT_SSH_COMMAND=false",
		"GIT_PAGER=cat",
		"GIT_OPTIONAL_LOCKS=0",
		"GIT_NO_REPLACE_OBJECTS=1",
		"GIT_NO_LAZY_FETCH=1",
		"LC_ALL=C",
	)
}

// command returns git with args on r. It is killed when ctx ends.
func (r *Repository) command(ctx context.Context, args ...string) *exec.Cmd {
	all := append([]string{"--no-pager", "--git-dir=" + r.Dir, "-c", "safe.directory=" + r.Path}, settings...)
	cmd := exec.CommandContext(ctx, "git", append(all, args...)...)
	cmd.Env = environment()
	cmd.Dir = r.Common // not the working directory, which may be anybody's
	cmd.WaitDelay = time.Second
	return cmd
}

// output runs git and returns what it printed.
func (r *Repository) output(ctx context.Context, args ...string) ([]byte, error) {
	cmd := r.command(ctx, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &limited{Buffer: &stderr, left: 4 << 10}
	if err := cmd.Run(); err != nil {
		return nil, r.failed(ctx, args[0], stderr.String(), err)
	}
	return out.Bytes(), nil
}

// failed describes a run of git that failed.
func (r *Repository) failed(ctx context.Context, verb, stderr string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("git %s in %s: %w", verb, r.Path, context.Cause(ctx))
	}
	if why, _, _ := strings.Cut(strings.TrimSpace(stderr), "\n"); why != "" {
		return fmt.Errorf("git %s in %s: %s", verb, r.Path, why)
	}
	return fmt.Errorf("git %s in %s: %w", verb, r.Path, err)
}

// limited keeps the beginning of what is written to it.
type limited struct {
	*bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n, err := l.Buffer.Write(p[:min(len(p), l.left)])
	l.left -= n
	return len(p), err
}

var _ io.Writer = (*limited)(nil)
