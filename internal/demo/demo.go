// Package demo makes what "sluice demo" shows: a small Go program in a git
// repository, the repository it is pushed to, a pipeline for it, and a mapping
// of the pipeline's names to this machine.
//
// Everything lies in one folder and stays there, for a person to read and
// change: files that exist are never written again. Nothing outside the folder
// is touched, and git is run without the user's configuration.
package demo

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Names in the pipeline's definition.
const (
	Pipeline   = "demo"
	Repository = "hello"
)

// files are the contents of a new demo. Names of files that Go's tools or git
// would see as their own end in .txt.
//
//go:embed files
var files embed.FS

// A Demo is the folder of a demo. It is absolute.
type Demo struct{ Folder string }

// Pipelines is the folder of the pipeline's definition and the mapping.
func (d Demo) Pipelines() string { return filepath.Join(d.Folder, "pipelines") }

// WorkTree is the repository a person changes things in.
func (d Demo) WorkTree() string { return filepath.Join(d.Folder, "hello") }

// Origin is the bare repository that is pushed to.
func (d Demo) Origin() string { return filepath.Join(d.Folder, "origin", "hello.git") }

// Deployed is the folder that stands for the bucket the program is deployed to.
func (d Demo) Deployed() string { return filepath.Join(d.Folder, "deploy") }

// Program is the program once it is deployed.
func (d Demo) Program() string { return filepath.Join(d.Deployed(), "hello") }

// Create makes what is missing of the demo in folder. Nothing is pushed yet.
func Create(ctx context.Context, folder string) (Demo, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return Demo{}, err
	}
	d := Demo{folder}
	if _, err := exec.LookPath("git"); err != nil {
		return d, errors.New("demo: git is not installed")
	}
	if err := os.MkdirAll(folder, 0o700); err != nil { // it becomes a data folder
		return d, fmt.Errorf("demo: %w", err)
	}
	err = fs.WalkDir(files, "files", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		return d.write(name)
	})
	if err != nil {
		return d, fmt.Errorf("demo: %w", err)
	}
	for _, dir := range []string{d.Origin(), d.Deployed()} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return d, fmt.Errorf("demo: %w", err)
		}
	}
	if _, err := d.git(ctx, d.Origin(), "init", "--quiet", "--bare", "--initial-branch=main"); err != nil {
		return d, err
	}
	if _, err := os.Stat(filepath.Join(d.WorkTree(), ".git")); err == nil {
		return d, nil
	}
	if _, err := d.git(ctx, d.WorkTree(), "init", "--quiet", "--initial-branch=main"); err != nil {
		return d, err
	}
	_, err = d.git(ctx, d.WorkTree(), "remote", "add", "origin", filepath.Join("..", "origin", "hello.git"))
	return d, err
}

// names are files whose real names cannot be embedded.
var names = strings.NewReplacer("gitignore.txt", ".gitignore", "go.mod.txt", "go.mod", ".go.txt", ".go")

// write writes an embedded file, unless it is there.
func (d Demo) write(name string) error {
	text, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	file := filepath.Join(d.Folder, filepath.FromSlash(names.Replace(strings.TrimPrefix(name, "files/"))))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

// Push commits a change and pushes it to the origin. It returns the commit's
// id and message.
func (d Demo) Push(ctx context.Context) (commit, message string, err error) {
	message = "Add a program that says hello"
	if out, err := d.git(ctx, d.WorkTree(), "rev-list", "--count", "HEAD"); err == nil {
		n, err := strconv.Atoi(out)
		if err != nil {
			return "", "", fmt.Errorf("demo: git rev-list --count: %w", err)
		}
		message = fmt.Sprintf("Greet for commit number %d", n+1)
		greeting := fmt.Sprintf("Hello from Sluice, for commit number %d.\n", n+1)
		if err := os.WriteFile(filepath.Join(d.WorkTree(), "greeting.txt"), []byte(greeting), 0o644); err != nil {
			return "", "", fmt.Errorf("demo: %w", err)
		}
	}
	for _, args := range [][]string{
		{"add", "--all"},
		{"commit", "--quiet", "--allow-empty", "--message", message},
		{"push", "--quiet", "origin", "HEAD:main"},
	} {
		if _, err := d.git(ctx, d.WorkTree(), args...); err != nil {
			return "", "", err
		}
	}
	commit, err = d.git(ctx, d.WorkTree(), "rev-parse", "HEAD")
	return commit, message, err
}

// git runs git in dir and returns what it printed, trimmed. It reads no
// configuration but the repository's, and runs no hook of anybody.
func (d Demo) git(ctx context.Context, dir string, args ...string) (string, error) {
	settings := []string{
		"-c", "user.name=Sluice demo",
		"-c", "user.email=demo@example.com",
		"-c", "commit.gpgSign=false",
		"-c", "core.hooksPath=/dev/null",
		"-c", "core.autocrlf=false",
		"-c", "gc.auto=0",
	}
	cmd := exec.CommandContext(ctx, "git", append(settings, args...)...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "GIT_") { // somebody's hook may have started us
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C",
		"GIT_CEILING_DIRECTORIES="+d.Folder) // never somebody else's repository around it
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		why, _, _ := strings.Cut(strings.TrimSpace(stderr.String()), "\n")
		return "", fmt.Errorf("demo: git %s in %s: %w: %s", args[0], dir, err, why)
	}
	return strings.TrimSpace(string(out)), nil
}
