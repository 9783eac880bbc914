package config_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/internal/config"
)

// env returns an Env over "KEY=value" pairs.
func env(pairs ...string) *config.Env {
	vars := map[string]string{}
	for _, p := range pairs {
		key, value, _ := strings.Cut(p, "=")
		vars[key] = value
	}
	return config.New(func(key string) (string, bool) {
		v, ok := vars[key]
		return v, ok
	})
}

func TestReads(t *testing.T) {
	e := env("NAME=n", "COUNT=-3", "WAIT=1m30s", "ON=true", "OFF=false")
	if v := e.String("NAME"); v != "n" {
		t.Errorf("String = %q; want n", v)
	}
	if v := e.Optional("NAME"); v != "n" {
		t.Errorf("Optional = %q; want n", v)
	}
	if v := e.Optional("NONE"); v != "" {
		t.Errorf("Optional of an unset key = %q; want nothing", v)
	}
	if v := e.Int("COUNT"); v != -3 {
		t.Errorf("Int = %d; want -3", v)
	}
	if v := e.Duration("WAIT"); v != 90*time.Second {
		t.Errorf("Duration = %v; want 1m30s", v)
	}
	if on, off := e.Bool("ON"), e.Bool("OFF"); !on || off {
		t.Errorf("Bool = %v, %v; want true, false", on, off)
	}
	if err := e.Err(); err != nil {
		t.Errorf("Err = %v; want nil", err)
	}
}

func TestFaults(t *testing.T) {
	tests := []struct {
		name string
		read func(*config.Env)
		want string
	}{
		{"all that is missing", func(e *config.Env) { e.String("A"); e.Int("B"); e.Duration("C"); e.Bool("D") }, "missing environment: A, B, C, D"},
		{"needed", func(e *config.Env) { e.Need("ONE", "A", "EMPTY") }, "missing environment: A, EMPTY"},
		{"not a text", func(e *config.Env) { e.Text("ONE", "a level", new(slog.Level)) }, "malformed environment: ONE is not a level"},
		{"empty is missing", func(e *config.Env) { e.String("EMPTY") }, "missing environment: EMPTY"},
		{"asked twice, named once", func(e *config.Env) { e.String("A"); e.String("A") }, "missing environment: A"},
		{"not a number", func(e *config.Env) { e.Int("SECRET") }, "malformed environment: SECRET is not a whole number such as 16"},
		{"a number is no duration", func(e *config.Env) { e.Duration("ONE") }, "malformed environment: ONE is not a duration such as 90s"},
		{"1 is not true", func(e *config.Env) { e.Bool("ONE") }, "malformed environment: ONE is not true or false"},
		{"both kinds", func(e *config.Env) { e.Bool("SECRET"); e.String("A") },
			"missing environment: A; malformed environment: SECRET is not true or false"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := env("EMPTY=", "ONE=1", "SECRET=hunter2")
			tt.read(e)
			if err := e.Err(); err == nil || err.Error() != tt.want {
				t.Errorf("Err = %v; want %s", err, tt.want)
			}
		})
	}
}

// What cannot be read gives zero, and never a half of it.
func TestMalformedIsZero(t *testing.T) {
	e := env("A=12x", "B=TRUE", "C=5")
	if n, b, d := e.Int("A"), e.Bool("B"), e.Duration("C"); n != 0 || b || d != 0 {
		t.Errorf("Int, Bool, Duration = %d, %v, %v; want zeros", n, b, d)
	}
}
