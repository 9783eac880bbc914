// Package secrettest is the contract of package secret in executable form. It
// is small, since the port is.
package secrettest

import (
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/secret"
)

// Secrets and Parameters are what a store under test holds.
var (
	Secrets = map[string]string{
		"plain":      "hunter2",
		"team/login": `{"user":"app","password":"x:y","port":5432}`,
	}
	Parameters = map[string]string{"/app/region": "eu-central-1", "flat": "007"}
)

// Run runs every test of the contract. open returns a store that holds Secrets
// and Parameters and nothing else.
func Run(t *testing.T, open func(t *testing.T) secret.Store) {
	s := open(t)
	found := map[string]string{
		"plain":                      "hunter2",
		"plain::AWSCURRENT":          "hunter2",
		"team/login:user":            "app",
		"team/login:password":        "x:y",
		"team/login:port":            "5432",
		"team/login:user:AWSCURRENT": "app",
		"team/login:user:":           "app",
		"team/login:user::":          "app",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:plain-AbCdEf":                      "hunter2",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/login-AbCdEf:user":            "app",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/login-AbCdEf:user:AWSCURRENT": "app",
	}
	for ref, want := range found {
		if got, err := s.Secret(t.Context(), ref); err != nil || got != want {
			t.Errorf("Secret %s: %q, %v; want %q", ref, got, err, want)
		}
	}
	for name, want := range Parameters {
		if got, err := s.Parameter(t.Context(), name); err != nil || got != want {
			t.Errorf("Parameter %s: %q, %v; want %q", name, got, err, want)
		}
	}
	for _, ref := range []string{
		"nothing", "team/login:nothing", "plain:user", "", ":user", "a:b:c:d:e", "plain::AWSCURRENT:id", "plain::OTHER",
		"arn:aws:secretsmanager:eu-central-1:111122223333:secret:nothing-AbCdEf", "arn:aws:s3:::bucket", "arn:aws:secretsmanager:r:a:secret:",
	} {
		got, err := s.Secret(t.Context(), ref)
		if err == nil || got != "" {
			t.Errorf("Secret %q: %q, %v; want an error", ref, got, err)
			continue
		}
		leaks(t, err)
	}
	for _, name := range []string{"nothing", "", "plain"} {
		if _, err := s.Parameter(t.Context(), name); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("Parameter %q: %v; want an error that names it", name, err)
		}
	}
}

// leaks fails the test if err holds a value.
func leaks(t *testing.T, err error) {
	t.Helper()
	for _, value := range []string{"hunter2", "x:y", "5432"} {
		if strings.Contains(err.Error(), value) {
			t.Errorf("error %q holds a secret", err)
		}
	}
}
