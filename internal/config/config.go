// Package config reads the environment of a program, once, in its main.
//
// Every variable is asked for before any is missed: what is unset and what
// cannot be read is collected, and [Env.Err] names all of it, so that one look
// at a log repairs a deployment. It never tells a value, which may be a secret.
// There are no defaults: what differs between deployments is always said.
package config

import (
	"encoding"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An Env reads variables through lookup. The zero value is not usable; call New.
type Env struct {
	lookup    func(string) (string, bool)
	missing   []string
	malformed []string
}

// New returns an Env; production passes os.LookupEnv, tests pass a map's lookup.
func New(lookup func(string) (string, bool)) *Env { return &Env{lookup: lookup} }

// String returns the value of key and remembers key if it is unset or empty.
func (e *Env) String(key string) string {
	v := e.Optional(key)
	if v == "" {
		note(&e.missing, key)
	}
	return v
}

// Need remembers those of keys that are unset or empty, to be named together
// before anything is made of some of them.
func (e *Env) Need(keys ...string) {
	for _, key := range keys {
		e.String(key)
	}
}

// Optional returns the value of key; "" if it is unset, which is no fault.
func (e *Env) Optional(key string) string {
	v, _ := e.lookup(key)
	return v
}

// Int returns the value of key, a whole number such as 16.
func (e *Env) Int(key string) int {
	return parse(e, key, "a whole number such as 16", strconv.Atoi)
}

// Duration returns the value of key, a duration such as 90s or 1h30m.
func (e *Env) Duration(key string) time.Duration {
	return parse(e, key, "a duration such as 90s", time.ParseDuration)
}

// Bool returns the value of key, true or false. No other spelling counts: one
// that is mistyped must not switch anything off.
func (e *Env) Bool(key string) bool {
	return parse(e, key, "true or false", func(v string) (bool, error) {
		if v != "true" && v != "false" {
			return false, strconv.ErrSyntax
		}
		return v == "true", nil
	})
}

// Text reads the value of key into v; what says what a value looks like.
func (e *Env) Text(key, what string, v encoding.TextUnmarshaler) {
	parse(e, key, what, func(text string) (struct{}, error) { return struct{}{}, v.UnmarshalText([]byte(text)) })
}

// Err reports everything that is missing or malformed, or nil.
func (e *Env) Err() error {
	var faults []string
	if len(e.missing) > 0 {
		faults = append(faults, "missing environment: "+strings.Join(e.missing, ", "))
	}
	if len(e.malformed) > 0 {
		faults = append(faults, "malformed environment: "+strings.Join(e.malformed, ", "))
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New(strings.Join(faults, "; "))
}

// parse reads key with f and remembers it if it is not what it is to be.
func parse[T any](e *Env, key, what string, f func(string) (T, error)) T {
	var zero T
	text := e.String(key)
	if text == "" {
		return zero
	}
	v, err := f(text)
	if err != nil {
		note(&e.malformed, key+" is not "+what)
		return zero
	}
	return v
}

// note adds a fault to those that are known, once.
func note(faults *[]string, fault string) {
	if !slices.Contains(*faults, fault) {
		*faults = append(*faults, fault)
	}
}
