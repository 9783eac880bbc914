package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// structure checks the rules of the pipeline as a whole.
func (c *checker) structure() {
	c.stageCount()
	c.sourcesFirst()
	c.modeAndType()
	c.declaredVariables()
	c.triggers()
	c.stores()
	c.uniqueOutputs()
	c.pipelineVariableUses()
}

// structural reports a break of a rule of the pipeline as a whole.
func (c *checker) structural(path, value, message, fix string) {
	c.add(Problem{Code: InvalidStructure, Path: path, Value: value, Message: message, Fix: fix})
}

func (c *checker) stageCount() {
	n := len(c.d.Stages)
	switch {
	case c.d.Stages == nil: // reported by shape
	case n < 2:
		c.structural("stages", strconv.Itoa(n),
			fmt.Sprintf("Pipeline has only %d stage(s). There should be a minimum of 2 stages in a pipeline", n),
			"add a stage")
	case n > 50:
		c.structural("stages", strconv.Itoa(n),
			"Pipeline has too many stages. There can only be up to 50 stages in a pipeline",
			"join stages, or split the pipeline")
	}
	actions := 0
	for _, s := range c.d.Stages {
		actions += len(s.Actions)
	}
	if actions > 1000 {
		c.structural("stages", strconv.Itoa(actions),
			"Pipeline has too many actions. There can only be up to 1000 actions in a pipeline",
			"split the pipeline")
	}
}

// sourcesFirst checks that sources make up the first stage and nothing else.
func (c *checker) sourcesFirst() {
	if len(c.d.Stages) == 0 {
		return
	}
	if path, value, ok := c.notOnlySources(); ok {
		c.structural(path, value, "Pipeline should start with a stage that only contains source actions",
			"put the source actions, and nothing else, into the first stage")
	}
	other := false
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			other = other || a.TypeID.Category != Source
			if i > 0 && a.TypeID.Category == Source {
				c.structural(actionPath(i, j)+".actionTypeId.category", string(Source),
					"Source actions can only be included in the first stage of the pipeline",
					"move the action into the first stage")
			}
		}
	}
	if !other {
		c.structural("stages", "", "Pipeline should contain at least 1 action whose category is not Source",
			"add a stage that builds or deploys")
	}
}

// notOnlySources finds what keeps the first stage from being one of sources.
func (c *checker) notOnlySources() (path, value string, found bool) {
	first := c.d.Stages[0]
	for j, a := range first.Actions {
		if a.TypeID.Category != Source && a.TypeID.Category != "" {
			return actionPath(0, j) + ".actionTypeId.category", string(a.TypeID.Category), true
		}
	}
	return "stages[0].actions", "", first.Actions != nil && len(first.Actions) == 0
}

func (c *checker) modeAndType() {
	if c.v2() {
		return
	}
	const fix = "set pipelineType to V2"
	if c.d.ExecutionMode == Queued || c.d.ExecutionMode == Parallel {
		c.structural("executionMode", string(c.d.ExecutionMode), "QUEUED or PARALLEL mode can only be used with V2 pipelines", fix)
	}
	if len(c.d.Variables) > 0 {
		c.structural("variables", "", "Pipeline variable can only be used with V2 pipelines", fix)
	}
	if len(c.d.Triggers) > 0 {
		c.structural("triggers", "", "Triggers on tag can only be used with V2 pipelines", fix)
	}
}

func (c *checker) declaredVariables() {
	seen := map[string]bool{}
	for i, v := range c.d.Variables {
		if v.Name != "" && seen[v.Name] {
			c.structural(at("variables", i)+".name", v.Name,
				"Variable names must be unique. The following variable name is already in use: "+v.Name,
				"rename one of the two")
		}
		seen[v.Name] = true
	}
}

// stores checks that every Region in which an action runs keeps artifacts.
func (c *checker) stores() {
	single, several := c.d.ArtifactStore != nil, len(c.d.ArtifactStores) > 0
	switch {
	case single && several:
		c.structural("artifactStores", "", "Pipeline should declare 'pipeline.artifactStore' or 'pipeline.artifactStores', but not both",
			"keep artifactStores if actions run in several Regions, else artifactStore")
	case single:
		c.oneRegion()
	case several:
		c.regionsWithStore()
	default:
		c.structural("artifactStore", "", "Pipeline should declare 'pipeline.artifactStore' or 'pipeline.artifactStores'",
			"name the bucket for artifacts in artifactStore.location")
	}
}

// oneRegion reports the first action that leaves the Region of the others.
func (c *checker) oneRegion() {
	home := c.region
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			if a.Region == "" || a.Region == home {
				continue
			}
			if home == "" {
				home = a.Region
				continue
			}
			c.structural(actionPath(i, j)+".region", a.Region,
				"Your pipeline contains actions in more than one region. Use 'pipeline.artifactStores' instead of 'pipeline.artifactStore' to declare an artifact store, such as an artifact bucket, for each region where you have an action.",
				"replace artifactStore by artifactStores with one entry for each Region")
			return
		}
	}
}

func (c *checker) regionsWithStore() {
	missing := map[string]bool{}
	need := func(path, region string) {
		if _, ok := c.d.ArtifactStores[region]; ok || region == "" || missing[region] {
			return
		}
		missing[region] = true
		c.structural(path, region,
			"Your pipeline must have an artifact store, such as an artifact bucket, for each region where you have an action. The following region is missing in 'pipeline.artifactStores': "+region+".",
			fmt.Sprintf("add %s beside %s", region, strings.Join(slices.Sorted(maps.Keys(c.d.ArtifactStores)), ", ")))
	}
	need("artifactStores", c.region)
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			need(actionPath(i, j)+".region", a.Region)
		}
	}
}
