package corpustest

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Fill replaces every placeholder of a pipeline structure, in place, and
// returns it. A structure without a name gets the one given.
func Fill(p map[string]any, name string) map[string]any {
	f := &filler{home: "us-east-1", v2: p["pipelineType"] == "V2", elsewhere: map[string]string{}}
	f.stores(p)
	if _, ok := p["name"]; !ok {
		p["name"] = name
	}
	if s, ok := p["tags"].(string); ok && isWhole(s) {
		delete(p, "tags") // an expression for a list of any length
	}
	for _, key := range slices.Sorted(maps.Keys(p)) {
		if key != "stages" {
			p[key] = f.value(key, p[key])
		}
	}
	stages, _ := p["stages"].([]any)
	for i, s := range stages {
		f.stage(i, s)
	}
	return p
}

// A filler knows what a value must agree with.
type filler struct {
	home      string            // Region of the pipeline
	others    []string          // Regions with a store besides home
	elsewhere map[string]string // expression -> Region other than home
	v2        bool
	outputs   []string // artifacts written so far
}

// stores finds the Regions. A placeholder for the name of one is home.
func (f *filler) stores(p map[string]any) {
	stores, _ := p["artifactStores"].(map[string]any)
	for _, region := range slices.Sorted(maps.Keys(stores)) {
		if strings.Contains(region, "${") {
			stores[f.home] = stores[region]
			delete(stores, region)
		}
	}
	regions := slices.Sorted(maps.Keys(stores))
	if len(regions) > 0 && !slices.Contains(regions, f.home) {
		f.home = regions[0]
	}
	f.others = slices.DeleteFunc(regions, func(r string) bool { return r == f.home })
}

func (f *filler) stage(i int, v any) {
	stage, _ := v.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(stage)) {
		if key != "actions" {
			stage[key] = f.value(key, stage[key])
		}
	}
	actions, _ := stage["actions"].([]any)
	for _, v := range actions {
		if action, ok := v.(map[string]any); ok {
			f.action(i, action)
		}
	}
}

// action fills the type first: what the rest may be depends on it.
func (f *filler) action(stage int, a map[string]any) {
	id, chosen := f.actionType(stage, a)
	t, _ := pipeline.LookupType(id)
	f.configuration(a, t, chosen)
	if s, ok := a["inputArtifacts"].(string); ok {
		a["inputArtifacts"] = f.inputs(s, t)
	}
	if s, ok := a["outputArtifacts"].(string); ok {
		a["outputArtifacts"] = artifacts(token(s), t.Outputs.Min)
	}
	f.meet(a["inputArtifacts"])
	for _, key := range slices.Sorted(maps.Keys(a)) {
		if key != "configuration" {
			a[key] = f.value(key, a[key])
		}
	}
	list, _ := a["outputArtifacts"].([]any)
	for _, v := range list {
		if out, ok := v.(map[string]any); ok {
			name, _ := out["name"].(string)
			f.outputs = append(f.outputs, name)
		}
	}
}

// actionType fills actionTypeId. It reports whether the provider was chosen
// here and not by the author.
func (f *filler) actionType(stage int, a map[string]any) (id pipeline.ActionTypeID, chosen bool) {
	m, _ := a["actionTypeId"].(map[string]any)
	if m == nil {
		return id, false
	}
	pick := func(key, otherwise string, known ...string) string {
		s, isText := m[key].(string)
		if !isText || !strings.Contains(s, "${") {
			return s
		}
		m[key] = cmp.Or(first(candidates(s), known), otherwise)
		return m[key].(string)
	}
	category := "Build"
	if stage == 0 {
		category = "Source"
	}
	id.Category = pipeline.Category(pick("category", category, "Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"))
	id.Owner = pipeline.Owner(pick("owner", "AWS", "AWS", "ThirdParty", "Custom"))
	before, _ := m["provider"].(string)
	id.Provider = pick("provider", standIn(id, token(before)), providers(id)...)
	id.Version = cmp.Or(pick("version", "1"), "1") // a number is read as text
	return id, id.Provider != before
}

// standIn is the provider for an expression that names none.
func standIn(id pipeline.ActionTypeID, name string) string {
	switch {
	case id.Owner != pipeline.AWS:
		return name[:min(len(name), 35)]
	case id.Category == pipeline.Source:
		return "CodeCommit"
	case id.Category == pipeline.Build || id.Category == pipeline.Test:
		return "CodeBuild"
	}
	return providers(id)[0]
}

func providers(id pipeline.ActionTypeID) []string {
	var names []string
	for _, t := range pipeline.ActionTypes() {
		if t.ID.Category == id.Category && t.ID.Owner == id.Owner {
			names = append(names, t.ID.Provider)
		}
	}
	return names
}

// configuration fills the values. Where the provider itself was an
// expression, the keys of its alternatives stand side by side, and only those
// of the chosen one stay; a whole configuration that was an expression gets
// the required keys.
func (f *filler) configuration(a map[string]any, t pipeline.ActionType, chosen bool) {
	_, expression := a["configurationExpression"]
	delete(a, "configurationExpression")
	m, ok := a["configuration"].(map[string]any)
	if !ok && expression {
		m = map[string]any{}
		a["configuration"] = m
	}
	if !t.Open && chosen {
		maps.DeleteFunc(m, func(key string, _ any) bool { return !slices.Contains(t.Keys(), key) })
	}
	if chosen || expression {
		for _, key := range t.Required {
			if _, ok := m[key]; !ok {
				m[key] = "${" + key + "}"
			}
		}
	}
	for key, v := range m {
		if s, ok := v.(string); ok && strings.Contains(s, "${") {
			m[key] = f.setting(key, s)
		}
	}
}

// inputs chooses artifacts for a list that was an expression: those it names,
// or else as many of the earlier ones as the type needs.
func (f *filler) inputs(expr string, t pipeline.ActionType) []any {
	if name := first(candidates(expr), f.outputs); name != "" {
		return []any{map[string]any{"name": name}}
	}
	list := []any{}
	for _, name := range f.outputs[:min(len(f.outputs), t.Inputs.Min)] {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

// meet lets an input whose name is an expression of its own, which no earlier
// output shares, read the artifact written last.
func (f *filler) meet(inputs any) {
	list, _ := inputs.([]any)
	for _, v := range list {
		in, _ := v.(map[string]any)
		s, _ := in["name"].(string)
		if isWhole(s) && !slices.Contains(f.outputs, token(s)) && len(f.outputs) > 0 {
			in["name"] = f.outputs[len(f.outputs)-1]
		}
	}
}

func artifacts(name string, n int) []any {
	list := []any{}
	for range n {
		list = append(list, map[string]any{"name": name})
	}
	return list
}

// first returns the first of list that is in set.
func first(list, set []string) string {
	for _, s := range list {
		if slices.Contains(set, s) {
			return s
		}
	}
	return ""
}
