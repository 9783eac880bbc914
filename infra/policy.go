package infra

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A policy is what functions/<function>/policy.json says: what the function
// needs besides its code. It lies beside the code, so that both change together.
type policy struct {
	Statements  []grantee `json:"statements"`
	Environment []string  `json:"environment"`
	Memory      int       `json:"memory"`  // MB; default 256
	Storage     int       `json:"storage"` // MB of /tmp; default 512
	Timeout     int       `json:"timeout"` // seconds; default 30
}

// A grantee allows actions on what the symbols stand for.
type grantee struct {
	Actions []string `json:"actions"`
	On      []string `json:"on"`
	Why     string   `json:"why"` // why it has to be "any"
}

// Limits of Lambda.
const (
	leastMemory, mostMemory   = 128, 10240
	leastStorage, mostStorage = 512, 10240
	mostSeconds               = 900
)

// readPolicy reads the policy of a function. Everything wrong with it is one
// error.
func readPolicy(root, function string) (policy, error) {
	file := filepath.Join(root, "functions", function, "policy.json")
	f, err := os.Open(file)
	if errors.Is(err, os.ErrNotExist) {
		return policy{}, fmt.Errorf("%s: there is no such file; a function without it may do nothing: write {\"statements\": []} or what its code calls", file)
	}
	if err != nil {
		return policy{}, err
	}
	defer f.Close()
	p := policy{Memory: 256, Storage: leastStorage, Timeout: 30}
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return policy{}, fmt.Errorf("%s: %w; its members are statements (actions, on, why), environment, memory, storage and timeout", file, err)
	}
	if err := p.check(); err != nil {
		return policy{}, fmt.Errorf("%s: %w", file, err)
	}
	return p, nil
}

func (p policy) check() error {
	var errs []error
	for i, s := range p.Statements {
		errs = append(errs, s.check(i))
	}
	for _, name := range p.Environment {
		if !slices.Contains(variables, name) {
			errs = append(errs, fmt.Errorf("environment: %s is none of %s", name, strings.Join(variables, ", ")))
		}
	}
	if p.Memory < leastMemory || p.Memory > mostMemory {
		errs = append(errs, fmt.Errorf("memory is %d; write %d to %d (MB)", p.Memory, leastMemory, mostMemory))
	}
	if p.Storage < leastStorage || p.Storage > mostStorage {
		errs = append(errs, fmt.Errorf("storage is %d; write %d to %d (MB)", p.Storage, leastStorage, mostStorage))
	}
	if p.Timeout < 1 || p.Timeout > mostSeconds {
		errs = append(errs, fmt.Errorf("timeout is %d; write 1 to %d (seconds)", p.Timeout, mostSeconds))
	}
	return errors.Join(errs...)
}

func (s grantee) check(i int) error {
	var errs []error
	fail := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("statements[%d]: "+format, append([]any{i}, args...)...))
	}
	if len(s.Actions) == 0 || len(s.On) == 0 {
		fail("it needs actions and on")
	}
	for _, a := range s.Actions {
		if service, name, ok := strings.Cut(a, ":"); !ok || service == "" || name == "" || strings.Contains(a, "*") {
			fail("action %q is not one action, such as dynamodb:GetItem", a)
		}
	}
	for _, symbol := range s.On {
		if !slices.Contains(symbols, symbol) {
			fail("on %q is none of %s", symbol, strings.Join(symbols, ", "))
		}
	}
	if slices.Contains(s.On, "any") && s.Why == "" {
		fail(`on "any" needs a why`)
	}
	return errors.Join(errs...)
}

// symbols are what a statement may be on, and variables what a function's
// environment may have. What they stand for is in settings.go.
var (
	symbols = slices.Sorted(maps.Keys(settings{}.resources()))

	variables = slices.Sorted(maps.Keys(settings{}.environment()))
)
