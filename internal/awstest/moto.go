package awstest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"time"
)

// A server is moto and the proxy before it.
type server struct {
	url  string // of the proxy
	stop func()
}

// started is the server once there is one; Main reads it after the last test.
var started *server

func startMoto() (*server, error) {
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, fmt.Errorf("moto is not there: %w", err)
	}
	if out, err := exec.Command(python, "-c", "import moto.server").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("moto is not there (pip install 'moto[server]'): %s", bytes.TrimSpace(out))
	}
	cmd := exec.Command(python, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
	cmd.Env = append(os.Environ(), "S3_UPLOAD_PART_MIN_SIZE=1") // so that a test of parts need not be large
	cmd.WaitDelay = time.Second
	out, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := StartChild(cmd); err != nil {
		return nil, fmt.Errorf("moto does not start: %w", err)
	}
	address, err := readAddress(out)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, err
	}
	go io.Copy(io.Discard, out) // a log line per request
	proxy := httptest.NewServer(oneAtATime(address))
	started = &server{url: proxy.URL, stop: func() {
		proxy.CloseClientConnections()
		cmd.Process.Kill()
		cmd.Wait()
	}}
	return started, nil
}

// readAddress returns what moto says about where it listens.
func readAddress(log io.Reader) (*url.URL, error) {
	lines := bufio.NewScanner(log)
	var said strings.Builder
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), "Running on "); ok {
			return url.Parse(strings.TrimSpace(address))
		}
		fmt.Fprintln(&said, lines.Text())
	}
	return nil, fmt.Errorf("moto does not start: %s", said.String())
}
