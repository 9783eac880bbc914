// Package corpustest turns a folder of published pipeline definitions into
// test cases.
//
// The folder holds json/*.json, structures as the AWS CLI takes them, and
// extracted/pipelines.jsonl, structures that were taken out of templates. In
// the latter an expression of the template stands as a ${...} placeholder;
// [Load] writes a value there that is valid for its place. Filling is
// deterministic, and one expression becomes one name wherever it stands, so
// that the artifacts of a pipeline still meet.
package corpustest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Env is the environment variable that names the folder.
const Env = "SLUICE_CORPUS"

// A Case is one pipeline of the corpus.
type Case struct {
	ID   string // file#name, unique in the corpus
	File string // relative to the folder
	JSON []byte // a pipeline structure without placeholders
}

// Load reads every case under folder, in a stable order. The caller supplies
// role and artifact store where a definition has none; a name is filled in,
// because CloudFormation would make one too.
func Load(folder string) ([]Case, error) {
	cases, err := loadExtracted(filepath.Join(folder, "extracted", "pipelines.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("load corpus: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "json", "*.json"))
	if err != nil {
		return nil, fmt.Errorf("load corpus: %w", err)
	}
	slices.Sort(files)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("load corpus: %w", err)
		}
		name := "json/" + filepath.Base(file)
		cases = append(cases, Case{ID: name + "#file", File: name, JSON: data})
	}
	return cases, nil
}

// loadExtracted reads one case from each line of a file.
func loadExtracted(file string) ([]Case, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var cases []Case
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var row struct {
			File     string
			ID       string
			Pipeline map[string]any
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, len(cases)+1, err)
		}
		data, err := json.MarshalIndent(Fill(row.Pipeline, nameFor(row.File+"-"+row.ID)), "", "  ")
		if err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", file, len(cases)+1, err)
		}
		cases = append(cases, Case{ID: row.File + "#" + row.ID, File: row.File, JSON: data})
	}
	return cases, lines.Err()
}

// nameFor makes the name of a pipeline from where it was found. The end of a
// path says more than its beginning.
func nameFor(id string) string {
	name := notWord.ReplaceAllString(id, "-")
	return strings.Trim(name[max(0, len(name)-100):], "-")
}
