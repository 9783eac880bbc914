package standin

import (
	"bufio"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ci/sluice/internal/awstest"
)

// scripts start moto with the patches. They are part of the binary, so that
// tests of any package can use them.
//
//go:embed moto/*.py
var scripts embed.FS

// motoVersion is the one that the patches mend.
const motoVersion = "5.2.1"

// A moto is one process of the patched emulator.
type moto struct {
	url  *url.URL
	cmd  *exec.Cmd
	logs string // file with what it says
}

// findMoto returns the python that has moto, once for all tests.
var findMoto = sync.OnceValues(func() (string, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return "", fmt.Errorf("moto is not there: %w", err)
	}
	out, err := exec.Command(python, "-c", "import flask, importlib.metadata as m; print(m.version('moto'))").CombinedOutput()
	if said := strings.TrimSpace(string(out)); err != nil || said != motoVersion {
		return "", fmt.Errorf("moto %s is not there (make deps installs it): %s", motoVersion, said)
	}
	return python, nil
})

// needMoto returns the python that has moto, or skips the test and says why.
func needMoto(t testing.TB) string {
	t.Helper()
	python, err := findMoto()
	skipOrFail(t, err)
	return python
}

// skipOrFail ends a test for want of something that a machine may lack.
func skipOrFail(t testing.TB, err error) {
	t.Helper()
	if err != nil && os.Getenv("SLUICE_NEED_MOTO") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
}

// startMoto starts moto behind the front that listens on port. Its scripts and
// what it says go to dir.
func startMoto(python string, port int, dir string) (*moto, error) {
	here := filepath.Join(dir, "moto")
	code := filepath.Join(dir, "code")
	if err := os.Mkdir(code, 0o755); err != nil {
		return nil, err
	}
	if err := unpackScripts(here); err != nil {
		return nil, err
	}
	m := &moto{logs: filepath.Join(dir, "moto.log")}
	log, err := os.Create(m.logs)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	m.cmd = exec.Command(python, filepath.Join(here, "serve.py"), strconv.Itoa(port), code)
	m.cmd.Env = append(os.Environ(), "S3_UPLOAD_PART_MIN_SIZE=1", "PYTHONDONTWRITEBYTECODE=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null")
	m.cmd.Stderr = log
	m.cmd.WaitDelay = time.Second
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := awstest.StartChild(m.cmd); err != nil {
		return nil, fmt.Errorf("moto does not start: %w", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "serving at "); ok {
			m.url, err = url.Parse(address)
			go copyLines(lines, m.logs)
			return m, err
		}
	}
	m.stop()
	return nil, fmt.Errorf("moto does not start: %s", tail(m.logs))
}

// copyLines appends what comes to the file, so that errors stand in one place.
func copyLines(lines *bufio.Scanner, file string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	for lines.Scan() {
		fmt.Fprintln(f, lines.Text())
	}
}

func unpackScripts(dir string) error {
	from, err := fs.Sub(scripts, "moto")
	if err != nil {
		return err
	}
	return os.CopyFS(dir, from)
}

func (m *moto) stop() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}

// tail returns the end of a file, or why it cannot be read.
func tail(file string) string {
	const most = 6 << 10
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-most):])
}

// moto says no to nothing, so its own errors are the only news in its log.
func (s *Standin) reportMoto() {
	if s.t.Failed() {
		s.t.Logf("the end of moto's log:\n%s", tail(s.moto.logs))
	}
}

// direct is a configuration whose clients talk to moto past the front, for
// what the stand-in itself wants to know. Nothing of it is recorded.
func (s *Standin) direct() aws.Config {
	c := s.Config()
	c.BaseEndpoint = aws.String(s.moto.url.String())
	return c
}
