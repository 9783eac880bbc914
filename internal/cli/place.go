package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
)

const defaultData = ".sluice"

// A place is where the user says the system is.
type place struct{ endpoint, data string }

// flags returns the flags that lead another command to the same place.
func (w place) flags() []string {
	switch {
	case w.endpoint != "":
		return []string{"--endpoint", w.endpoint}
	case w.data != "":
		return []string{"--data", w.data}
	}
	return nil
}

// folder returns the data folder.
func (p *program) folder() string {
	switch {
	case p.where.data != "":
		return p.where.data
	case p.Getenv("SLUICE_DATA") != "":
		return p.Getenv("SLUICE_DATA")
	}
	return defaultData
}

// endpoint returns the URL of the server the user named, if any. A folder
// named by a flag goes before a URL of the environment.
func (p *program) endpoint() string {
	if p.where.endpoint == "" && p.where.data == "" {
		return p.Getenv("SLUICE_ENDPOINT")
	}
	return p.where.endpoint
}

// A connection is a way to a system.
type connection struct {
	*client.Client
	http   *http.Client
	url    string
	system *local.System // set when this process is the system: nobody else moves its runs
	close  []func() error
}

// Close ends the connection, and the system if it is this process.
func (c *connection) Close() error {
	var errs []error
	for i := len(c.close) - 1; i >= 0; i-- {
		errs = append(errs, c.close[i]())
	}
	c.close = nil
	return errors.Join(errs...)
}

// connect finds the system: the server the user named, else the one that runs
// on the data folder, else the folder itself, opened in this process.
func (p *program) connect(ctx context.Context, o opening) (*connection, error) {
	if url := p.endpoint(); url != "" {
		if !strings.HasPrefix(url, "http://") && !strings.HasPrefix(url, "https://") {
			return nil, usagef("endpoint %q: write a URL such as http://127.0.0.1:4317", url)
		}
		return remote(url), nil
	}
	folder := p.folder()
	if c := serverOf(ctx, folder); c != nil {
		return c, nil
	}
	if _, err := os.Stat(settingsFile(folder)); err != nil { // a typing mistake must not become a data folder
		f := notFoundf("there is no Sluice here: no server was named and %s is no data folder", folder)
		if _, err := os.Stat(settingsFile(demoData)); err == nil && p.Getenv("SLUICE_DATA") == "" && p.where.data == "" {
			return nil, f.or("sluice list --data "+demoData, "sluice up --help")
		}
		return nil, f.or("sluice demo", "sluice up --help")
	}
	return p.open(ctx, o)
}

// remote returns a connection to a server.
func remote(url string) *connection {
	h := &http.Client{Timeout: 30 * time.Second}
	return &connection{Client: client.New(url, h), http: h, url: strings.TrimSuffix(url, "/")}
}

// serverOf returns a connection to the server that works on a data folder, or
// nil. A server that crashed leaves its file behind, so it has to answer.
func serverOf(ctx context.Context, folder string) *connection {
	text, err := os.ReadFile(endpointFile(folder))
	if err != nil {
		return nil
	}
	url, pid, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if !strings.HasPrefix(url, "http://") || !alive(pid) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	c := remote(url)
	if err := c.Do(ctx, "ListPipelines", codepipeline.ListPipelinesInput{MaxResults: 1}, nil); err != nil {
		return nil
	}
	return c
}

// alive reports whether a process exists. Its port may have gone to another.
func alive(pid string) bool {
	n, err := strconv.Atoi(strings.TrimSpace(pid))
	return err == nil && n > 0 && !errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}

func endpointFile(folder string) string { return filepath.Join(folder, "endpoint") }

// announce writes where the server on folder is, and returns how to take that
// back.
func announce(folder, url string) (func() error, error) {
	file := endpointFile(folder)
	text := fmt.Sprintf("%s\n%d\n", url, os.Getpid())
	if err := writeFile(file, []byte(text)); err != nil {
		return nil, err
	}
	return func() error { return os.Remove(file) }, nil
}

// writeFile writes a file of ours whole or not at all.
func writeFile(file string, text []byte) error {
	next := file + ".next"
	if err := os.WriteFile(next, text, 0o600); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// An opening is how a folder is opened in this process. Without settings
// those of last time are used.
type opening struct {
	settings   *settings
	acceptLoss bool
	paused     bool         // to look only; nobody can join
	listener   net.Listener // default: one on a free port, so that other commands can join
}

// settings are what a folder was opened with. They are kept in it, so that
// "sluice approve" knows what "sluice run --source" said.
type settings struct {
	Mapping  mapping.Mapping `json:"mapping"`
	Simulate bool            `json:"simulate,omitempty"`
}

func settingsFile(folder string) string { return filepath.Join(folder, "settings.json") }

// recall returns the settings a folder was opened with last.
func recall(folder string) (settings, error) {
	var s settings
	text, err := os.ReadFile(settingsFile(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", settingsFile(folder), err)
	}
	return s, nil
}

// remember keeps the settings of a folder.
func remember(folder string, s settings) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(settingsFile(folder), append(text, '\n'))
}

// open opens the data folder in this process and serves its API: to this
// process directly, and to other commands on a loopback port.
func (p *program) open(ctx context.Context, o opening) (*connection, error) {
	folder, err := filepath.Abs(p.folder())
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	c := &connection{}
	if o.settings == nil {
		s, err := recall(folder)
		if err != nil {
			return nil, err
		}
		o.settings = &s
	}
	url := "" // a port that the next command does not have is no place for links
	if o.listener != nil {
		url = urlOf(o.listener)
	}
	c.system, err = local.Open(context.WithoutCancel(ctx), local.Options{
		URL:        url,
		Data:       folder,
		Mapping:    o.settings.Mapping,
		Simulate:   o.settings.Simulate,
		AcceptLoss: o.acceptLoss,
		Paused:     o.paused,
		Log:        p.logger(),
	})
	if err != nil {
		return nil, err
	}
	c.close = append(c.close, c.system.Close)
	if o.paused {
		return c, c.direct("http://127.0.0.1:1", 1)
	}
	if err := remember(folder, *o.settings); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if o.listener == nil {
		if o.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if err := c.serve(folder, o.listener); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// direct makes c call the system's own handler, which answers for url.
func (c *connection) direct(url string, port int) error {
	handler, err := c.system.Handler(port)
	if err != nil {
		return err
	}
	c.url = url
	c.http = &http.Client{Transport: direct{handler}}
	c.Client = client.New(c.url, c.http)
	return nil
}

// urlOf returns where a listener on this machine is reached.
func urlOf(l net.Listener) string {
	at := l.Addr().(*net.TCPAddr)
	if at.IP.To4() == nil {
		return "http://" + net.JoinHostPort("::1", strconv.Itoa(at.Port))
	}
	return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Port))
}

// serve answers the API on l until the connection is closed.
func (c *connection) serve(folder string, l net.Listener) error {
	if err := c.direct(urlOf(l), l.Addr().(*net.TCPAddr).Port); err != nil {
		return errors.Join(err, l.Close())
	}
	server := &http.Server{
		Handler:           c.http.Transport.(direct).handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	go server.Serve(l) // ends with ErrServerClosed
	c.close = append(c.close, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return server.Close()
		}
		return nil
	})
	retract, err := announce(folder, c.url)
	if err != nil {
		return err
	}
	c.close = append(c.close, retract)
	return nil
}
