package infra

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/action/aws/grant"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// readDefinitions reads the folder of the definitions. Its error has all that
// is wrong with any of them, a line each.
func readDefinitions(cfg config) ([]definition.Definition, error) {
	definitions, err := definition.ReadDir(cfg.pipelines, cfg.place.standIns())
	errs, ok := errors.AsType[definition.Errors](err)
	if err != nil && !ok {
		return nil, err
	}
	for i, d := range definitions {
		errs = append(errs, cfg.refuse(d)...)
		definitions[i] = cfg.complete(d)
	}
	names := []string{}
	for _, d := range definitions {
		names = append(names, d.Declaration.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(cfg.schedules)) {
		if len(errs) == 0 && !slices.Contains(names, name) {
			errs = append(errs, definition.Error{File: cfg.pipelines, Path: name, Message: "context sluice:schedules names a pipeline that is not there", Fix: "there are " + strings.Join(names, ", ")})
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	return definitions, nil
}

// unset marks the role of a definition that declares none.
const unset = "pipeline"

// standIns are what a definition may leave out, because the deployment has it.
func (p place) standIns() definition.Options {
	return definition.Options{Region: p.region, ArtifactBucket: p.artifacts(), RoleARN: p.roleARN(unset)}
}

// complete puts the pipeline's own role where none was declared.
func (p place) complete(d definition.Definition) definition.Definition {
	if d.Declaration.RoleARN == p.roleARN(unset) {
		d.Declaration.RoleARN = p.roleARN(p.pipelineRole(d.Declaration.Name))
	}
	return d
}

// refuse returns what an account cannot do for a definition that is lawful.
func (p place) refuse(d definition.Definition) definition.Errors {
	var errs definition.Errors
	fail := func(path, value, message, fix string) {
		line, column := d.Position(path)
		errs = append(errs, definition.Error{File: d.File, Line: line, Column: column, Path: path, Value: value, Message: message, Fix: fix})
	}
	for i, s := range d.Declaration.Stages {
		for j, a := range s.Actions {
			path := fmt.Sprintf("stages[%d].actions[%d]", i, j)
			if _, err := grant.For(a, p.home(d.Declaration, a.Region, "key")); err != nil {
				fail(path+".actionTypeId", "", fmt.Sprintf("stage %s: %v", s.Name, err), "")
			}
			if arn := a.Configuration["NotificationArn"]; arn != "" && !isARN(arn, "sns") {
				fail(path+".configuration.NotificationArn", arn, "it has to be the ARN of a topic, because only topics that are named may be published to", "write arn:"+p.partition()+":sns:...")
			}
			if a.RoleARN != "" && !isARN(a.RoleARN, "iam") {
				fail(path+".roleArn", a.RoleARN, "it has to be the ARN of a role", "write arn:"+p.partition()+":iam::...")
			}
		}
		for _, r := range rulesOf(s) {
			path := fmt.Sprintf("stages[%d].%s", i, r.path)
			if _, err := grant.ForRule(r.Rule, p.home(d.Declaration, r.Region, "key")); err != nil {
				fail(path+".ruleTypeId", "", fmt.Sprintf("stage %s: %v", s.Name, err), "")
			}
			if r.RoleARN != "" && !isARN(r.RoleARN, "iam") {
				fail(path+".roleArn", r.RoleARN, "it has to be the ARN of a role", "write arn:"+p.partition()+":iam::...")
			}
		}
	}
	for _, s := range stores(d.Declaration) {
		if s.EncryptionKey != nil && p.keyARN(s.EncryptionKey.ID) == "" {
			fail("artifactStore", s.EncryptionKey.ID, "the key has to be named by its id or ARN, because no role can be allowed to use an alias", "write arn:"+p.partition()+":kms:...:key/...")
		}
	}
	return errs
}

// A ruleAt is a rule, and where it is in its stage.
type ruleAt struct {
	pipeline.Rule
	path string // "onSuccess.conditions[0].rules[0]"
}

// rulesOf returns the rules of all conditions of a stage.
func rulesOf(s pipeline.Stage) []ruleAt {
	var all []ruleAt
	add := func(gate string, conditions []pipeline.Condition) {
		for i, c := range conditions {
			for j, r := range c.Rules {
				all = append(all, ruleAt{r, fmt.Sprintf("%s.conditions[%d].rules[%d]", gate, i, j)})
			}
		}
	}
	if s.BeforeEntry != nil {
		add("beforeEntry", s.BeforeEntry.Conditions)
	}
	if s.OnSuccess != nil {
		add("onSuccess", s.OnSuccess.Conditions)
	}
	if s.OnFailure != nil {
		add("onFailure", s.OnFailure.Conditions)
	}
	return all
}

func isARN(text, service string) bool {
	var e elsewhere
	return e.add(text) && strings.Contains(text, ":"+service+":")
}

// stores returns the artifact stores of a definition, in the order of Regions.
func stores(d pipeline.Declaration) []pipeline.ArtifactStore {
	var all []pipeline.ArtifactStore
	if d.ArtifactStore != nil {
		all = append(all, *d.ArtifactStore)
	}
	for _, region := range slices.Sorted(maps.Keys(d.ArtifactStores)) {
		all = append(all, d.ArtifactStores[region])
	}
	return all
}

// keyARN returns the ARN of a key that is named by it or by its id; "" for an
// alias.
func (p place) keyARN(id string) string {
	switch {
	case strings.HasPrefix(id, "alias/"), strings.Contains(id, ":alias/"):
		return ""
	case strings.HasPrefix(id, "arn:"):
		return id
	}
	return p.arn("kms", "key/"+id)
}

// home is where an action or a rule of a definition runs that names region, or
// none. key is the ARN of the
// deployment's key.
func (p place) home(d pipeline.Declaration, region, key string) grant.Home {
	store := pipeline.ArtifactStore{Location: p.artifacts()}
	if d.ArtifactStore != nil {
		store = *d.ArtifactStore
	} else if s, ok := d.ArtifactStores[region]; ok {
		store = s
	} else if s, ok := d.ArtifactStores[p.region]; ok {
		store = s
	}
	if store.EncryptionKey != nil {
		key = p.keyARN(store.EncryptionKey.ID)
	}
	return grant.Home{
		Partition: p.partition(), Region: p.region, Account: p.account, Key: key,
		// Keys of artifacts begin with 20 characters of the pipeline's name.
		Artifacts: p.bucketARN(fmt.Sprintf("%s/%.20s/*", store.Location, d.Name)),
	}
}

// reach returns what the functions reach beyond the deployment: what the
// definitions name and what the context allows.
func reach(cfg config, definitions []definition.Definition) elsewhere {
	e := cfg.allow
	for _, d := range definitions {
		for _, s := range stores(d.Declaration) {
			if s.Location != cfg.artifacts() {
				e.add(cfg.bucketARN(s.Location))
			}
			if s.EncryptionKey != nil {
				e.add(cfg.keyARN(s.EncryptionKey.ID))
			}
		}
		for _, s := range d.Declaration.Stages {
			for _, a := range s.Actions {
				e.add(a.RoleARN)
				e.add(a.Configuration["NotificationArn"])
			}
			for _, r := range rulesOf(s) {
				e.add(r.RoleARN)
			}
		}
	}
	for _, list := range []*[]string{&e.roles, &e.topics, &e.buckets, &e.keys, &e.secrets, &e.parameters} {
		slices.Sort(*list)
	}
	return e
}
