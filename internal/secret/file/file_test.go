package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/secret"
	"github.com/sluice-ci/sluice/internal/secret/file"
	"github.com/sluice-ci/sluice/internal/secret/secrettest"
)

func write(t *testing.T, mode os.FileMode, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secrets.yaml")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

const parameters = "parameters: {/app/region: eu-central-1, flat: 007}\n"

// A map in the file and JSON text are two ways to write one secret.
func TestContract(t *testing.T) {
	for name, login := range map[string]string{
		"map":  "{user: app, password: 'x:y', port: 5432}",
		"text": `'{"user":"app","password":"x:y","port":5432}'`,
	} {
		t.Run(name, func(t *testing.T) {
			secrettest.Run(t, func(t *testing.T) secret.Store {
				s, err := file.New(write(t, 0o600, "secrets: {plain: hunter2, team/login: "+login+"}\n"+parameters))
				if err != nil {
					t.Fatal(err)
				}
				return s
			})
		})
	}
}

func TestMode(t *testing.T) {
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o644: false, 0o620: false, 0o700: true} {
		path := write(t, mode, parameters)
		_, err := file.New(path)
		if (err == nil) != ok {
			t.Errorf("mode %04o: %v; want success %v", mode, err, ok)
		}
		if err != nil && !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("error %q does not say what to run", err)
		}
	}
}

// An error about the file says where, and never quotes it.
func TestBadFile(t *testing.T) {
	for _, text := range []string{
		"secrets: hunter2", "- hunter2", "secrets:\n  a: 'hunter2", "secret: {a: hunter2}", "secrets: {a: hunter2, a: hunter2}", "hunter2",
	} {
		if _, err := file.New(write(t, 0o600, text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v; want an error without the value", text, err)
		}
	}
	s, err := file.New(write(t, 0o600, "secrets: {a: [hunter2], b: {c: [hunter2]}, d: null}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"a", "b", "b:c"} {
		if got, err := s.Secret(t.Context(), ref); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q, %v; want an error without the value", ref, got, err)
		}
	}
}

func TestMissingAndEdited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secrets.yaml")
	s, err := file.New(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Secret(t.Context(), "a"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Secret: %v; want an error that names %s", err, path)
	}
	if err := os.WriteFile(path, []byte("secrets: {a: x}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Secret(t.Context(), "a"); err != nil || got != "x" {
		t.Errorf("Secret: %q, %v; want x", got, err)
	}
}
