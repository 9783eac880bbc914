package definition_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// lawful is a pipeline in as few lines as one needs.
const lawful = `name: web
roleArn: arn:aws:iam::111122223333:role/r
artifactStore: {type: S3, location: artifacts}
stages:
  - name: Source
    actions:
      - name: Fetch
        actionTypeId: {category: Source, owner: AWS, provider: CodeCommit, version: 1}
        configuration:
          RepositoryName: web
          BranchName: main
          PollForSourceChanges: False
        outputArtifacts: [{name: Code}]
  - name: Approve
    actions:
      - name: Ask
        actionTypeId: {category: Approval, owner: AWS, provider: Manual, version: "1"}
        runOrder: "2"
`

var defaults = definition.Options{RoleARN: "arn:aws:iam::111122223333:role/r", ArtifactBucket: "artifacts"}

// want is what lawful says.
var want = pipeline.Declaration{
	Name:          "web",
	RoleARN:       "arn:aws:iam::111122223333:role/r",
	ArtifactStore: &pipeline.ArtifactStore{Type: "S3", Location: "artifacts"},
	Stages: []pipeline.Stage{
		{Name: "Source", Actions: []pipeline.Action{{
			Name:            "Fetch",
			TypeID:          pipeline.ActionTypeID{Category: "Source", Owner: "AWS", Provider: "CodeCommit", Version: "1"},
			Configuration:   map[string]string{"RepositoryName": "web", "BranchName": "main", "PollForSourceChanges": "false"},
			OutputArtifacts: []pipeline.OutputArtifact{{Name: "Code"}},
		}}},
		{Name: "Approve", Actions: []pipeline.Action{{
			Name: "Ask", RunOrder: 2,
			TypeID: pipeline.ActionTypeID{Category: "Approval", Owner: "AWS", Provider: "Manual", Version: "1"},
		}}},
	},
}

func TestRead(t *testing.T) {
	encoded, err := definition.Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	indented := "pipeline:\n  " + strings.ReplaceAll(strings.TrimSpace(lawful), "\n", "\n  ") + "\n"
	short := strings.Join(strings.SplitAfter(lawful, "\n")[3:], "")
	tests := []struct{ name, file, data string }{
		{"bare YAML", "p.yaml", lawful},
		{"wrapped YAML", "p.yml", indented},
		{"JSON", "p.json", string(encoded)},
		{"JSON with a byte order mark", "p.json", "\ufeff" + string(encoded)},
		{"JSON without a name that says so", "-", string(encoded)},
		{"JSON in a YAML file", "p.yaml", string(encoded)},
		{"YAML without a name that says so", "-", lawful},
		{"defaults", "dir/web.yaml", short},
		{"with metadata and tags", "p.yaml", indented + "metadata: {version: 3}\ntags: [{key: team, value: a}]\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := definition.Read(tt.file, []byte(tt.data), defaults)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, def.Declaration, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("declaration (-want +got):\n%s", diff)
			}
			if len(def.Warnings) > 0 {
				t.Errorf("warnings %v; want none", def.Warnings)
			}
		})
	}
}

func TestReadBeside(t *testing.T) {
	def, err := definition.Read("p.yaml", []byte("pipeline:\n  "+strings.ReplaceAll(lawful, "\n", "\n  ")+
		"restartExecutionOnUpdate: true\ntags: [{key: team, value: 7}]\n"), defaults)
	if err != nil {
		t.Fatal(err)
	}
	if def.Tags["team"] != "7" {
		t.Errorf("tags %v; want team 7", def.Tags)
	}
	const warning = `p.yaml:20:3: restartExecutionOnUpdate: this field is ignored; remove it: it belongs to CloudFormation`
	if len(def.Warnings) != 1 || def.Warnings[0].Error() != warning {
		t.Errorf("warnings %v; want %s", def.Warnings, warning)
	}
	if line, column := def.Position("stages[1].actions[0].configuration.CustomData"); line != 17 || column != 11 {
		t.Errorf("nearest place %d:%d; want 17:11, the action", line, column)
	}
}

// TestReadErrors changes one piece of the lawful file and pins the report.
func TestReadErrors(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"wrong type", "location: artifacts", "location: [a]",
			`p.yaml:3:37: artifactStore.location: expected text, found a list; write it as one text in quotation marks`},
		{"unknown field", "    actions:\n      - name: Ask", "    acions:\n      - name: Ask",
			`p.yaml:15:5: stages[1].acions: unknown field "acions"; did you mean actions?`},
		{"field of other case", "runOrder", "RunOrder",
			`p.yaml:18:9: stages[1].actions[0].RunOrder: unknown field "RunOrder"; did you mean runOrder?`},
		{"duplicate key", "          BranchName: main\n", "          BranchName: main\n          BranchName: dev\n",
			`p.yaml:12:11: key "BranchName" is used twice, first in line 11; keep one of the two`},
		{"alias", "name: web", "name: &n web", `p.yaml:1:7: anchors and aliases are not supported; write the value out where it is used`},
		{"template function", "RepositoryName: web", "RepositoryName: !Ref Repo",
			`p.yaml:10:27: !Ref is a function of CloudFormation templates; a definition holds values; write the value it stands for`},
		{"no number", `"2"`, "two", `p.yaml:18:19: stages[1].actions[0].runOrder: expected a whole number (value "two"); write digits only`},
		{"zero", `"2"`, "0", `p.yaml:18:19: stages[1].actions[0].runOrder: Member must have value greater than or equal to 1 (value "0"); write 1 or more, or leave it out`},
		{"configuration that is JSON", "RepositoryName: web", "RepositoryName: {a: b}",
			`p.yaml:10:27: stages[0].actions[0].configuration.RepositoryName: expected text, found a map; write it as one text in quotation marks`},
		{"configuration that is null", "RepositoryName: web", "RepositoryName:",
			`p.yaml:10:26: stages[0].actions[0].configuration.RepositoryName: expected text, found null; write a value or leave the field out`},
		{"artifact that is a name", "[{name: Code}]", "[Code]",
			`p.yaml:13:27: stages[0].actions[0].outputArtifacts[0]: expected a map, found text (value "Code"); write name: Code`},
		{"rule at its line", "BranchName", "Branch",
			`p.yaml:9:9: stages[0].actions[0].configuration.BranchName: Action configuration for action 'Fetch' is missing required configuration 'BranchName'; add BranchName` + "\n" +
				`p.yaml:11:19: stages[0].actions[0].configuration.Branch: Action configuration for action 'Fetch' contains unknown configuration 'Branch' (value "Branch"); did you mean BranchName?`},
		{"shape at its line", "name: Approve", "name: Approve it",
			`p.yaml:14:11: stages[1].name: Member must satisfy regular expression pattern: [A-Za-z0-9.@\-_]+ (value "Approve it"); use 1 to 100 letters, digits and . @ - _`},
		{"syntax", "stages:", "stages: a: b", `p.yaml:4:1: YAML: mapping values are not allowed in this context; correct the syntax`},
		{"two documents", "        runOrder: \"2\"\n", "---\na: b\n", `p.yaml:1:1: YAML: the file holds more than one document; write one pipeline to a file`},
		{"key that is a map", "name: web", "{a: b}: web\nname: web", `p.yaml:1:1: a key is not plain text; quote values that begin with { or [ or & or *`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(lawful, tt.old) {
				t.Fatalf("the lawful file has no %q", tt.old)
			}
			_, err := definition.Read("p.yaml", []byte(strings.Replace(lawful, tt.old, tt.new, 1)), defaults)
			if err == nil {
				t.Fatal("Read accepted it")
			}
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

// TestReadAll pins that one reading reports everything.
func TestReadAll(t *testing.T) {
	data := strings.NewReplacer("provider: Manual", "provider: Manuel", "RepositoryName: web", "Repository: web", "name: Approve", "nam: Approve").Replace(lawful)
	_, err := definition.Read("p.yaml", []byte(data), definition.Options{})
	bad, _ := errors.AsType[definition.Errors](err)
	var got []string
	for _, e := range bad {
		got = append(got, e.Path)
	}
	want := []string{"stages[0].actions[0].configuration.RepositoryName", "stages[0].actions[0].configuration.Repository", "stages[1].nam", "stages[1].actions[0].actionTypeId"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("paths (-want +got):\n%s\n%v", diff, err)
	}
	if code := pipeline.CodeOf(err); code != pipeline.InvalidActionDeclaration {
		t.Errorf("code %s; want that of the first error", code)
	}
}

func TestReadJSONErrors(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"syntax", "{\"name\": \"é\", }", `p.json:1:14: JSON: invalid character '}' looking for beginning of object key string; correct the syntax`},
		{"cut short", "{\n \"name\": ", `p.json:2:10: JSON: the file ends in the middle of a value; correct the syntax`},
		{"more text", "{\"name\": \"a\"}\n x", `p.json:2:2: text after the end of the JSON value; correct the syntax`},
		{"duplicate", "{\n \"name\": \"a\",\n \"name\": \"b\"\n}", `p.json:3:2: key "name" is used twice, first in line 2; keep one of the two`},
		{"no object", `[1]`, `p.json:1:1: expected a pipeline, found a list; write the fields of a pipeline: name, stages ...`},
		{"no pipeline", `{"Resources": {}}`, `p.json:1:1: this is no pipeline: it has neither pipeline nor stages; this looks like a CloudFormation template`},
		{"wrong wrapper", `{"pipeline": {}, "tag": []}`, `p.json:1:18: tag: unknown field "tag"; did you mean tags?`},
		{"empty", " \n", "p.json: the file is empty; write a pipeline"},
		{"no text", "\xff\xfe{", "p.json: the file is not UTF-8 text; save it as UTF-8"},
		{"large number", `{"name": "a", "version": 1e999999}`, `p.json:1:26: version: expected a whole number (value "1e999999"); write digits only`},
		{"deep", strings.Repeat("[", 100000), "p.json:1:65: values are nested more than 64 deep; a pipeline needs about 10"},
		{"deep in an object", `{"stages": ` + strings.Repeat(`{"a":`, 1000), "values are nested more than 64 deep"},
		{"large", strings.Repeat(" ", 10<<20+1), "p.json: the file has 10485761 bytes, the limit is 10485760; split it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := definition.Read("p.json", []byte(tt.data), definition.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %s", err, tt.want)
			}
		})
	}
}

// TestYAMLBombs pins that small files stay small, however they are nested.
func TestYAMLBombs(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"aliases", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\nstages: []\n", "anchors and aliases are not supported"},
		{"merge", "stages: []\n<<: {name: a}\n", `unknown field "<<"`},
		{"deep flow", "stages: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "nested more than 64 deep"},
		{"very deep flow", strings.Repeat("[", 20000), "YAML: "},
		{"deep block", strings.Repeat("- ", 70) + "a", "nested more than 64 deep"},
		{"binary", "name: !!binary aGk=\nstages: []\n", "tag !!binary is not supported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := definition.Read("p.yaml", []byte(tt.data), definition.Options{})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v; want %s", err, tt.want)
			}
		})
	}
}

// TestManyErrors pins that a report stays readable.
func TestManyErrors(t *testing.T) {
	_, err := definition.Read("p.yaml", []byte("stages: []\n"+strings.Repeat("a: b\n", 1000)), defaults)
	bad, _ := errors.AsType[definition.Errors](err)
	if len(bad) != 101 || bad[100].Error() != "p.yaml: 899 more errors; correct these first" {
		t.Errorf("%d errors, the last %v; want 100 and a count of the rest", len(bad), bad[len(bad)-1])
	}
}

// TestDefaults pins what stands in for what a file leaves out.
func TestDefaults(t *testing.T) {
	short := strings.Join(strings.SplitAfter(lawful, "\n")[3:], "")
	abroad := strings.Replace(short, "        runOrder", "        region: eu-west-1\n        runOrder", 1)
	tests := []struct {
		name, file, data string
		opts             definition.Options
		pipeline         string
		regions          int
	}{
		{"name of the file", "dir/my app.v2.yaml", short, defaults, "my-app.v2", 0},
		{"name of the options", "a.yaml", short, definition.Options{Name: "b", RoleARN: defaults.RoleARN, ArtifactBucket: "artifacts"}, "b", 0},
		{"one Region", "a.yaml", abroad, defaults, "a", 0},
		{"two Regions", "a.yaml", abroad, definition.Options{Region: "us-east-1", RoleARN: defaults.RoleARN, ArtifactBucket: "artifacts"}, "a", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			def, err := definition.Read(tt.file, []byte(tt.data), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			d := def.Declaration
			if d.Name != tt.pipeline || len(d.ArtifactStores) != tt.regions || (d.ArtifactStore == nil) != (tt.regions > 0) {
				t.Errorf("name %q, stores %v and %v; want %q and %d stores", d.Name, d.ArtifactStore, d.ArtifactStores, tt.pipeline, tt.regions)
			}
		})
	}
	_, err := definition.Read("a.yaml", []byte(short), definition.Options{})
	for _, want := range []string{"roleArn: Member must not be null", "artifactStore: Pipeline should declare"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without defaults: %v; want %s", err, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add("p.yaml", lawful)
	f.Add("p.json", `{"pipeline": {"name": "a", "stages": [{"name": "S", "actions": [{"runOrder": 0}]}]}, "tags": []}`)
	f.Add("", "a: &a [*a]\n? {b: c}\n: !x d\n")
	f.Fuzz(func(t *testing.T, file, data string) {
		def, err := definition.Read(file, []byte(data), defaults)
		if err != nil {
			if bad, ok := errors.AsType[definition.Errors](err); !ok || len(bad) == 0 {
				t.Fatalf("error %T %v; want definition.Errors", err, err)
			}
			return
		}
		text, err := definition.Encode(def.Declaration)
		if err != nil {
			t.Fatal(err)
		}
		again, err := definition.Read("again.json", text, definition.Options{})
		if diff := cmp.Diff(def.Declaration, again.Declaration, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("encoded and read again: %v\n%s", err, diff)
		}
	})
}
