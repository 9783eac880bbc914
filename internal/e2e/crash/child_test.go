package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
)

// childEnv names the folder of a system that this test binary is to serve.
const childEnv = "SLUICE_E2E_FOLDER"

func TestMain(m *testing.M) {
	if folder := os.Getenv(childEnv); folder != "" {
		if err := serve(folder); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serve is a laptop assembly over folder/data with the definition and mapping
// that lie in folder, until it is killed.
func serve(folder string) error {
	m, err := mapping.Read(filepath.Join(folder, "sluice.local.yaml"))
	if err != nil {
		return err
	}
	def, err := definition.ReadFile(filepath.Join(folder, "pipeline.yaml"), definition.Options{RoleARN: "arn:aws:iam::000000000000:role/local", ArtifactBucket: "artifacts"})
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := local.Open(context.Background(), local.Options{Data: filepath.Join(folder, "data"), Mapping: m, Log: log})
	if err != nil {
		return err
	}
	if _, _, err := s.Register(context.Background(), []definition.Definition{def}); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h, err := s.Handler(l.Addr().(*net.TCPAddr).Port)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", l.Addr())
	return http.Serve(l, h)
}

// A child is a process that serves a folder.
type child struct {
	cmd *exec.Cmd
	api *client.Client
}

// startChild starts a child and waits until it listens.
func startChild(t *testing.T, folder string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childEnv+"="+folder)
	cmd.Stderr = t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child says %q: %v", line, err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	return &child{cmd: cmd, api: client.New(url, http.DefaultClient)}
}

// kill ends the child as a power cut would, memory and all.
func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}
