package infra

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sluice-ci/sluice/internal/compile"
)

// A program is one function as it is deployed.
type program struct {
	function
	policy
	code string // folder with the bootstrap
}

// A function is a folder of functions/ and how it is called. Whoever calls it
// and does not repeat a call that failed gives it a dead-letter queue.
type function struct {
	name    string
	does    string
	async   bool // called by EventBridge, CloudFormation or a stream: failures go to a queue
	machine bool // called by the machines, which repeat what failed
	acts    bool // works in the role of a pipeline
}

// functions is every function there is. What a machine may call, and who may
// take the role of a pipeline, is read from here.
var functions = []function{
	{name: "trigger", does: "decides and starts executions", async: true},
	{name: "stage", does: "leaves a stage, waits for the next", machine: true},
	{name: "source", does: "runs source actions", machine: true, acts: true},
	{name: "build", does: "runs build, test and compute actions", machine: true, acts: true},
	{name: "deploy", does: "runs deploy actions", machine: true, acts: true},
	{name: "invoke", does: "runs invoke actions", machine: true, acts: true},
	{name: "approval", does: "asks for approvals", machine: true},
	{name: "resume", does: "completes actions whose work went on elsewhere", async: true, acts: true},
	{name: "outbox", does: "delivers tokens, events and alerts", async: true},
	{name: "api", does: "CodePipeline's API and the console"},
	{name: hook, does: "approval pages, for everybody who has a link"},
	{name: "register", does: "registers what a deployment made", async: true},
}

// hook is the only function that may be called without credentials.
const hook = "hook"

// deployed returns the functions of this deployment.
func (c config) deployed() []function {
	var all []function
	for _, f := range functions {
		if f.name != hook || c.links {
			all = append(all, f)
		}
	}
	return all
}

// targets returns the functions that a machine calls, as placeholders that
// CloudFormation replaces by what substitutions returns.
func targets() compile.Targets {
	return compile.Targets{
		Stage: "${Stage}", Source: "${Source}", Build: "${Build}", Deploy: "${Deploy}", Invoke: "${Invoke}", Approval: "${Approval}",
	}
}

// substitutions returns the ARNs behind the placeholders of targets.
func (p place) substitutions() map[string]string {
	return map[string]string{
		"Stage": p.function("stage"), "Source": p.function("source"), "Build": p.function("build"),
		"Deploy": p.function("deploy"), "Invoke": p.function("invoke"), "Approval": p.function("approval"),
	}
}

// readPrograms finds code and policy of every function.
func readPrograms(cfg config) ([]program, error) {
	var all []program
	var errs []error
	for _, f := range cfg.deployed() {
		code, err := filepath.Abs(filepath.Join(cfg.root, "build", cfg.arch, f.name))
		if err != nil {
			return nil, err
		}
		bootstrap := filepath.Join(code, "bootstrap")
		if _, err := os.Stat(bootstrap); err != nil {
			errs = append(errs, fmt.Errorf("%s: there is no such file; type make functions", bootstrap))
		}
		p, err := readPolicy(cfg.root, f.name)
		errs = append(errs, err)
		all = append(all, program{function: f, policy: p, code: code})
	}
	return all, errors.Join(errs...)
}
