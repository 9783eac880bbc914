package scenarios_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-ci/sluice/internal/codepipeline/client"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/e2e/standin"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// laptop opens Sluice on this machine with the definitions of the scenarios.
func laptop(t *testing.T, pipelines string) *home {
	t.Helper()
	folder := t.TempDir()
	h := &home{t: t, name: "laptop", code: filepath.Join(folder, "code"), tell: func() {}}
	m := mapping.Mapping{
		Repositories: map[string]mapping.Repository{},
		Buckets:      map[string]string{"shop-settings": filepath.Join(folder, "settings"), "shop-website": filepath.Join(folder, "website")},
	}
	for _, name := range []string{"shop", "tour", "gates"} {
		m.Repositories[name] = mapping.Repository{Path: filepath.Join(h.code, name)}
		h.commit(name, "before everything", map[string]string{"README": name, "buildspec.yml": buildspec})
	}
	for _, dir := range m.Buckets {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.store = func(bucket, key string, content []byte) {
		if err := os.WriteFile(filepath.Join(m.Buckets[bucket], key), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h.store("shop-settings", "settings.zip", zipped(t, "settings.json", "{}"))
	s, err := local.Open(t.Context(), local.Options{Data: filepath.Join(folder, "data"), Mapping: m, Seams: local.Seams{Ports: func(p orchestrator.Ports) orchestrator.Ports {
		h.records = p.Store
		return p
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	defs, err := definition.ReadDir(pipelines, definition.Options{Region: standin.Region, ArtifactBucket: "artifacts", RoleARN: "arn:aws:iam::" + local.Account + ":role/sluice"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Register(t.Context(), defs); err != nil {
		t.Fatal(err)
	}
	if err := s.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	go s.Watch(t.Context()) // ends with the test
	h.api = client.New(serve(t, s), nil)
	h.told = func(string, string) {} // the watcher finds out by itself
	h.tick = func() {
		if err := s.Service.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	}
	return h
}

// serve serves the API of s and returns its address.
func serve(t *testing.T, s *local.System) string {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	handler, err := s.Handler(server.Listener.Addr().(*net.TCPAddr).Port)
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = http.HandlerFunc(handler.ServeHTTP)
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}
