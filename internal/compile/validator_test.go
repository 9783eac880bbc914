package compile_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/definition/corpustest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestValidator asks a third party, the npm package asl-validator, whether
// every machine is lawful for Step Functions. The Makefile installs it.
func TestValidator(t *testing.T) {
	modules := os.Getenv("SLUICE_ASL_VALIDATOR")
	if modules == "" {
		t.Skip("left out: SLUICE_ASL_VALIDATOR does not name a node_modules folder with asl-validator (make test sets it)")
	}
	script := `
const validate = require(process.argv[1] + "/asl-validator");
const all = JSON.parse(require("fs").readFileSync(0));
for (const [name, text] of Object.entries(all)) {
  const r = validate(text);
  if (!r.isValid) console.log(name + ": " + JSON.stringify(r.errors));
}`
	run := func(machines map[string]json.RawMessage) string {
		in, err := json.Marshal(machines)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "in.json")
		if err := os.WriteFile(file, in, 0o600); err != nil {
			t.Fatal(err)
		}
		stdin, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer stdin.Close()
		cmd := exec.Command("node", "-e", script, modules)
		cmd.Stdin = stdin
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return string(out)
	}
	machines := map[string]json.RawMessage{}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		machines[name] = text(t, shapes[name])
	}
	for name, d := range corpus(t) {
		machines[name] = text(t, d)
	}
	if out := run(machines); out != "" {
		t.Errorf("the validator refuses:\n%s", out)
	}
	broken := map[string]json.RawMessage{"broken": json.RawMessage(`{"StartAt":"A","States":{"A":{"Type":"Task","Next":"Nowhere","Resource":"x"}}}`)}
	if out := run(broken); out == "" {
		t.Error("the validator accepts a machine that leads nowhere; it checks nothing")
	}
}

// corpus returns the real definitions that are accepted, when there are any.
func corpus(t *testing.T) map[string]pipeline.Declaration {
	t.Helper()
	folder := os.Getenv(corpustest.Env)
	if folder == "" {
		t.Logf("%s is not set: the machines of real definitions are left out", corpustest.Env)
		return nil
	}
	cases, err := corpustest.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	accepted := map[string]pipeline.Declaration{}
	for _, c := range cases {
		def, err := definition.Read(c.File, c.JSON, definition.Options{RoleARN: "arn:aws:iam::123456789012:role/pipe", ArtifactBucket: "artifacts"})
		if err == nil {
			accepted[c.ID] = def.Declaration
		}
	}
	return accepted
}
