package definition

import (
	"fmt"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A Definition is one file that was read and found lawful.
type Definition struct {
	File        string
	Declaration pipeline.Declaration
	Tags        map[string]string // from beside the pipeline
	Warnings    []Error           // what was ignored

	places map[string]position
}

// Position returns the line and column of path, or of the nearest thing
// around it that the file holds.
func (d Definition) Position(path string) (line, column int) {
	p := nearest(d.places, path)
	return p.line, p.column
}

// Options says what a file may leave out. The zero value requires everything
// the API requires, except the name.
type Options struct {
	RoleARN        string // stands in for roleArn
	ArtifactBucket string // stands in for artifactStore and artifactStores
	Name           string // stands in for name; default the name of the file
	Region         string // of the pipeline; adds the rules that compare with it
}

// beside holds the fields that other tools keep next to those of the API, and
// what to do about them.
var beside = map[string]string{
	"tags":                           "write tags beside the pipeline",
	"metadata":                       "remove it: metadata is the service's own",
	"restartExecutionOnUpdate":       "remove it: it belongs to CloudFormation",
	"disableInboundStageTransitions": "disable the transition once the pipeline exists",
}

// Read reads the pipeline in data. The name of the file decides between JSON
// and YAML and stands in every error. The error is [Errors], complete.
func Read(file string, data []byte, opts Options) (Definition, error) {
	if len(data) > maxSize {
		return Definition{}, Errors{tooLarge(file, int64(len(data)))}
	}
	root, errs := parse(file, data)
	if len(errs) > 0 {
		return Definition{}, errs.report()
	}
	d := newDecoder(file)
	def := Definition{File: file, places: d.places}
	if body := d.body(root, &def); body != nil {
		d.value(body, reflect.ValueOf(&def.Declaration).Elem(), "")
		opts.fill(file, &def.Declaration, d.broken)
		d.check(def.Declaration, opts.Region)
	}
	if len(d.errs) > 0 {
		return Definition{}, d.errs.report()
	}
	def.Warnings = d.warnings
	return def, nil
}

func tooLarge(file string, size int64) Error {
	return Error{File: file, Message: fmt.Sprintf("the file has %d bytes, the limit is %d", size, maxSize), Fix: "split it"}
}

// body finds the declaration in the file: all of it, or its field pipeline.
func (d *decoder) body(root *node, def *Definition) *node {
	if root.kind != object {
		d.fail(root.pos, "", root.text, fmt.Sprintf("expected a pipeline, found %s", root.kind), "write the fields of a pipeline: name, stages ...")
		return nil
	}
	if f := root.field("pipeline"); f != nil {
		d.wrapper(root, def)
		return f.value
	}
	if root.field("stages") == nil && root.field("name") == nil {
		fix := "write the fields of a pipeline: name, stages ..."
		if root.field("Resources") != nil {
			fix = "this looks like a CloudFormation template"
		}
		d.fail(root.pos, "", "", "this is no pipeline: it has neither pipeline nor stages", fix)
		return nil
	}
	return root
}

// wrapper reads what stands beside the pipeline, as in the output of
// get-pipeline and the input of create-pipeline.
func (d *decoder) wrapper(root *node, def *Definition) {
	for _, f := range root.fields {
		switch f.key {
		case "pipeline", "metadata":
		case "tags":
			def.Tags = d.tags(f.value)
		default:
			fix := "remove it"
			if near := pipeline.Nearest(f.key, []string{"pipeline", "metadata", "tags"}); near != "" {
				fix = "did you mean " + near + "?"
			}
			d.fail(f.pos, f.key, "", fmt.Sprintf("unknown field %q", f.key), fix)
		}
	}
}

// tags reads a list of keys and values.
func (d *decoder) tags(n *node) map[string]string {
	if n.kind == null {
		return nil
	}
	var tags []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	d.value(n, reflect.ValueOf(&tags).Elem(), "tags")
	m := map[string]string{}
	for _, t := range tags {
		m[t.Key] = t.Value
	}
	return m
}

// check adds the problems of the declaration at the lines they belong to. A
// problem with a value that could not be read says nothing new.
func (d *decoder) check(decl pipeline.Declaration, region string) {
	for _, p := range pipeline.ValidateIn(decl, region) {
		if d.isBroken(p.Path) || p.Path == "stages" && d.lacksActions() {
			continue
		}
		at := nearest(d.places, p.Path)
		d.errs = append(d.errs, Error{File: d.file, Line: at.line, Column: at.column, Code: p.Code,
			Path: p.Path, Value: p.Value, Message: p.Message, Fix: p.Fix})
	}
}

// lacksActions reports whether some actions could not be read, so that how
// many there are and of which kind is not known.
func (d *decoder) lacksActions() bool {
	for path := range d.broken {
		if strings.HasPrefix(path, "stages[") && (strings.HasSuffix(path, "]") || strings.HasSuffix(path, "].actions")) {
			return true
		}
	}
	return false
}

func (d *decoder) isBroken(path string) bool {
	for ; path != ""; path = parent(path) {
		if d.broken[path] {
			return true
		}
	}
	return d.broken[""]
}

// nearest returns the place of path or of the closest thing around it.
func nearest(places map[string]position, path string) position {
	for ; ; path = parent(path) {
		if p, ok := places[path]; ok || path == "" {
			return p
		}
	}
}

// parent cuts the last segment off path.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// fill puts the defaults into what the file left out. Actions in several
// Regions need a store in each, so they get one.
func (o Options) fill(file string, d *pipeline.Declaration, broken map[string]bool) {
	if d.Name == "" && !broken["name"] {
		d.Name = o.Name
		if d.Name == "" {
			d.Name = nameOf(file)
		}
	}
	if d.RoleARN == "" {
		d.RoleARN = o.RoleARN
	}
	if o.ArtifactBucket == "" || d.ArtifactStore != nil || d.ArtifactStores != nil {
		return
	}
	store := pipeline.ArtifactStore{Type: "S3", Location: o.ArtifactBucket}
	regions := map[string]pipeline.ArtifactStore{}
	if o.Region != "" {
		regions[o.Region] = store
	}
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.Region != "" {
				regions[a.Region] = store
			}
		}
	}
	if len(regions) > 1 {
		d.ArtifactStores = regions
		return
	}
	d.ArtifactStore = &store
}

// nameOf makes the name of a pipeline from the name of its file.
func nameOf(file string) string {
	base := filepath.Base(filepath.ToSlash(file))
	base = strings.TrimSuffix(base, filepath.Ext(base))
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(".@-_", r):
			return r
		}
		return '-'
	}, base)
	return name[:min(len(name), 100)]
}
