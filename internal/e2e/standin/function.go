package standin

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// A function is one function with the code and configuration that it had when
// it was looked up.
type function struct {
	name, arn, role string
	code            string // hash of the code
	root            string // folder with the code
	timeout         time.Duration
	memory          int
	environment     map[string]string

	// Guarded by the host.
	fresh   bool // nothing happened since that may have changed it
	retired bool // it was changed; its workers end
	idle    []*worker
}

// same reports whether workers of f can go on as those of g.
func (f *function) same(g *function) bool {
	return f.code == g.code && f.timeout == g.timeout && f.memory == g.memory && f.role == g.role && maps.Equal(f.environment, g.environment)
}

// retire ends workers that wait; the others end when they are done.
func (f *function) retire() {
	f.retired = true
	for _, w := range f.idle {
		w.kill()
	}
	f.idle = nil
}

// readFunction reads an answer of GetFunction and unpacks the code below dir.
func readFunction(answer []byte, dir string) (*function, error) {
	var g struct {
		Code          struct{ Location string }
		Configuration struct {
			FunctionName, FunctionArn, CodeSha256, Role string
			Timeout                                     json.Number
			MemorySize                                  json.Number
			Architectures                               []string
			Environment                                 struct{ Variables map[string]string }
		}
	}
	if err := json.Unmarshal(answer, &g); err != nil {
		return nil, fmt.Errorf("moto describes a function: %w", err)
	}
	c := g.Configuration
	if len(c.Architectures) > 0 && c.Architectures[0] != here() {
		return nil, fmt.Errorf("function %s is built for %s, and this machine is %s: deploy it for that", c.FunctionName, c.Architectures[0], here())
	}
	timeout, _ := c.Timeout.Int64()
	memory, _ := c.MemorySize.Int64()
	archive, ok := strings.CutPrefix(g.Code.Location, "file://")
	if !ok {
		return nil, fmt.Errorf("function %s has no code: %q", c.FunctionName, g.Code.Location)
	}
	f := &function{
		name: c.FunctionName, arn: c.FunctionArn, role: c.Role, code: c.CodeSha256,
		root:    filepath.Join(dir, strings.TrimSuffix(filepath.Base(archive), ".zip")),
		timeout: time.Duration(timeout) * time.Second, memory: int(memory),
		environment: c.Environment.Variables,
	}
	return f, unpack(archive, f.root)
}

// here is what Lambda calls the architecture of this machine.
func here() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

// unpack unpacks an archive to a folder, which is there whole or not at all.
func unpack(archive, to string) error {
	if _, err := os.Stat(to); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	partial, err := os.MkdirTemp(filepath.Dir(to), "partial")
	if err != nil {
		return err
	}
	z, err := zip.OpenReader(archive)
	if err != nil {
		return fmt.Errorf("code of a function: %w", err)
	}
	defer z.Close()
	for _, f := range z.File {
		if err := unpackFile(f, partial); err != nil {
			return fmt.Errorf("code of a function: %w", err)
		}
	}
	if err := os.Rename(partial, to); err != nil && !os.IsExist(err) {
		if _, there := os.Stat(to); there != nil { // else somebody was faster
			return err
		}
	}
	return nil
}

func unpackFile(f *zip.File, dir string) error {
	to := filepath.Join(dir, filepath.Clean("/"+f.Name))
	if f.FileInfo().IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, f.Mode().Perm()|0o500)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
