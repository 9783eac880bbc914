package definition_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// folder writes files and returns where.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadDir(t *testing.T) {
	named := func(name string) string { return strings.Replace(lawful, "name: web", "name: "+name, 1) }
	tests := []struct {
		name  string
		files map[string]string
		want  []string // names of the pipelines
		err   string   // with the folder cut off
	}{
		{"sorted", map[string]string{"b.yaml": named("x"), "a.yml": named("y"), "sluice.local.yaml": "a: b", "notes.txt": "hi", ".b.yaml": "]"}, []string{"y", "x"}, ""},
		{"empty", nil, nil, ""},
		{"same name", map[string]string{"a.yaml": lawful, "b.yaml": lawful}, []string{"web"},
			`b.yaml:1:7: name: the pipeline in a.yaml has the same name (value "web"); rename one of the two`},
		{"no pipeline", map[string]string{"a.yaml": lawful, "b.json": `{"a": 1}`, "c.json": "{"}, []string{"web"},
			"b.json:1:1: this is no pipeline: it has neither pipeline nor stages; write the fields of a pipeline: name, stages ...\n" +
				"c.json:1:2: JSON: the file ends in the middle of a value; correct the syntax"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := folder(t, tt.files)
			defs, err := definition.ReadDir(dir, defaults)
			var got []string
			for _, d := range defs {
				got = append(got, d.Declaration.Name)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("pipelines (-want +got):\n%s", diff)
			}
			text := ""
			if err != nil {
				text = strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
			}
			if diff := cmp.Diff(tt.err, text); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadMissing(t *testing.T) {
	for _, read := range []func(string) error{
		func(p string) error { _, err := definition.ReadDir(p, defaults); return err },
		func(p string) error { _, err := definition.ReadFile(p, defaults); return err },
	} {
		if err := read("nowhere/at/all.json"); err == nil || err.Error() != "nowhere/at/all.json: cannot be read: no such file or directory" {
			t.Errorf("error %v; want the path and the cause", err)
		}
	}
}

func TestEncode(t *testing.T) {
	d := pipeline.Declaration{Name: "a&b", Stages: []pipeline.Stage{{Name: "S", Actions: []pipeline.Action{{Name: "A", Configuration: map[string]string{}}}}}}
	got, err := definition.Encode(d)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
    "pipeline": {
        "name": "a&b",
        "stages": [
            {
                "name": "S",
                "actions": [
                    {
                        "name": "A",
                        "actionTypeId": {
                            "category": "",
                            "owner": "",
                            "provider": "",
                            "version": ""
                        },
                        "configuration": {}
                    }
                ]
            }
        ]
    }
}
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
}
