package pipeline

import (
	"maps"
	"slices"
	"unicode/utf8"
)

// Longest values of configurations, in characters. The documentation still
// says 1000; the service's own message has said 50000 since about 2022.
const (
	maxActionValue = 50000
	maxRuleValue   = 10000
)

// Closed sets, in the order in which the service lists them.
var (
	categories = []string{string(Source), string(Build), string(Deploy), string(Test), string(Invoke), string(Approval), string(Compute)}
	owners     = []string{string(AWS), string(ThirdParty), string(Custom)}
	results    = []string{"ROLLBACK", "FAIL", "RETRY", "SKIP"}
)

// shape checks every member for itself: sizes, patterns, closed sets.
func (c *checker) shape() {
	d := c.d
	c.required("name", d.Name, nameText)
	c.required("roleArn", d.RoleARN, roleText)
	if d.ArtifactStore != nil {
		c.storeShape("artifactStore", *d.ArtifactStore)
	}
	for _, region := range slices.Sorted(maps.Keys(d.ArtifactStores)) {
		path := "artifactStores." + region
		if n := utf8.RuneCountInString(region); n < 4 || n > 30 {
			c.broken(path, region, mapRule("keys", 4, 30), "use the name of a Region")
		}
		c.storeShape(path, d.ArtifactStores[region])
	}
	if d.Stages == nil {
		c.broken("stages", "", "Member must not be null", "give at least two stages")
	}
	for i, s := range d.Stages {
		c.stageShape(stagePath(i), s)
	}
	c.number("version", d.Version, 1, 1<<31-1)
	c.enum("executionMode", string(d.ExecutionMode), string(Superseded), string(Queued), string(Parallel))
	c.enum("pipelineType", string(d.Type), string(V1), string(V2))
	c.variableShapes()
	c.triggerShapes()
}

func (c *checker) storeShape(path string, s ArtifactStore) {
	c.requiredEnum(path+".type", s.Type, "S3")
	c.required(path+".location", s.Location, bucketText)
	if k := s.EncryptionKey; k != nil {
		c.required(path+".encryptionKey.id", k.ID, keyText)
		c.requiredEnum(path+".encryptionKey.type", k.Type, "KMS")
	}
}

func (c *checker) stageShape(path string, s Stage) {
	c.required(path+".name", s.Name, nameText)
	for i, b := range s.Blockers {
		c.required(at(path+".blockers", i)+".name", b.Name, nameText)
		c.requiredEnum(at(path+".blockers", i)+".type", b.Type, "Schedule")
	}
	if s.Actions == nil {
		c.broken(path+".actions", "", "Member must not be null", "give at least one action")
	}
	c.size(path+".actions", max(len(s.Actions), 1), s.Actions == nil, 1, 50) // an empty stage is a rule of stages
	for i, a := range s.Actions {
		c.actionShape(at(path+".actions", i), a)
	}
	for _, g := range gatesOf(s) {
		c.gateShape(path+"."+g.name, g)
	}
}

func (c *checker) gateShape(path string, g gate) {
	if f := g.failure; f != nil {
		c.enum(path+".result", f.Result, results...)
		if f.Retry != nil {
			c.enum(path+".retryConfiguration.retryMode", string(f.Retry.Mode), string(FailedActions), string(AllActions))
		}
	} else if g.conditions == nil {
		c.broken(path+".conditions", "", "Member must not be null", "give one condition")
	}
	c.size(path+".conditions", len(g.conditions), g.conditions == nil, 1, 1)
	for i, cond := range g.conditions {
		where := at(path+".conditions", i)
		c.enum(where+".result", cond.Result, results...)
		if cond.Rules == nil {
			c.broken(where+".rules", "", "Member must not be null", "give one to five rules")
		}
		c.size(where+".rules", len(cond.Rules), cond.Rules == nil, 1, 5)
		for j, r := range cond.Rules {
			c.ruleShape(at(where+".rules", j), r)
		}
	}
}

func (c *checker) ruleShape(path string, r Rule) {
	c.required(path+".name", r.Name, nameText)
	c.requiredEnum(path+".ruleTypeId.category", r.TypeID.Category, "Rule")
	c.enum(path+".ruleTypeId.owner", r.TypeID.Owner, "AWS")
	c.required(path+".ruleTypeId.provider", r.TypeID.Provider, providerText)
	c.optional(path+".ruleTypeId.version", r.TypeID.Version, versionText)
	c.size(path+".configuration", len(r.Configuration), r.Configuration == nil, 0, 200)
	c.entries(path+".configuration", r.Configuration, maxRuleValue)
	c.texts(path+".commands", r.Commands, 50, commandText)
	for i, in := range r.InputArtifacts {
		c.required(at(path+".inputArtifacts", i)+".name", in.Name, artifactText)
	}
	c.optional(path+".roleArn", r.RoleARN, roleText)
	c.optional(path+".region", r.Region, regionText)
	c.number(path+".timeoutInMinutes", r.TimeoutInMinutes, 5, 86400)
}

func (c *checker) actionShape(path string, a Action) {
	c.required(path+".name", a.Name, nameText)
	c.requiredEnum(path+".actionTypeId.category", string(a.TypeID.Category), categories...)
	c.requiredEnum(path+".actionTypeId.owner", string(a.TypeID.Owner), owners...)
	c.required(path+".actionTypeId.provider", a.TypeID.Provider, providerText)
	c.required(path+".actionTypeId.version", a.TypeID.Version, versionText)
	c.number(path+".runOrder", a.RunOrder, 1, 999)
	c.entries(path+".configuration", a.Configuration, maxActionValue)
	c.texts(path+".commands", a.Commands, 50, commandText)
	for i, out := range a.OutputArtifacts {
		c.required(at(path+".outputArtifacts", i)+".name", out.Name, artifactText)
		c.texts(at(path+".outputArtifacts", i)+".files", out.Files, 10, length(1, 128))
	}
	for i, in := range a.InputArtifacts {
		c.required(at(path+".inputArtifacts", i)+".name", in.Name, artifactText)
	}
	c.texts(path+".outputVariables", a.OutputVariables, 15, length(1, 128))
	c.optional(path+".roleArn", a.RoleARN, roleText)
	c.optional(path+".region", a.Region, regionText)
	c.optional(path+".namespace", a.Namespace, namespaceText)
	c.number(path+".timeoutInMinutes", a.TimeoutInMinutes, 5, 86400)
	c.size(path+".environmentVariables", len(a.EnvironmentVariables), len(a.EnvironmentVariables) == 0, 1, 10)
	for i, v := range a.EnvironmentVariables {
		where := at(path+".environmentVariables", i)
		c.required(where+".name", v.Name, envNameText)
		c.required(where+".value", v.Value, length(1, 2000))
		c.enum(where+".type", v.Type, "PLAINTEXT", "SECRETS_MANAGER")
	}
}

// texts checks a list of strings and each of its entries.
func (c *checker) texts(path string, list []string, max int, t text) {
	// An empty list says what an absent one says, and files written by tools
	// are full of them.
	c.size(path, len(list), len(list) == 0, 1, max)
	for i, value := range list {
		c.required(at(path, i), value, t)
	}
}

func (c *checker) variableShapes() {
	c.size("variables", len(c.d.Variables), c.d.Variables == nil, 0, 50)
	for i, v := range c.d.Variables {
		path := at("variables", i)
		c.required(path+".name", v.Name, variableText)
		c.optional(path+".defaultValue", v.Default, length(1, 1000))
		c.optional(path+".description", v.Description, length(0, 200))
	}
}

func (c *checker) triggerShapes() {
	c.size("triggers", len(c.d.Triggers), c.d.Triggers == nil, 0, 50)
	for i, t := range c.d.Triggers {
		path := at("triggers", i)
		c.requiredEnum(path+".providerType", t.ProviderType, "CodeStarSourceConnection")
		path += ".gitConfiguration"
		c.required(path+".sourceActionName", t.Git.SourceActionName, nameText)
		c.size(path+".push", len(t.Git.Push), len(t.Git.Push) == 0, 1, 3)
		for j, f := range t.Git.Push {
			where := at(path+".push", j)
			c.patternShapes(where+".tags", f.Tags)
			c.patternShapes(where+".branches", f.Branches)
			c.patternShapes(where+".filePaths", f.FilePaths)
		}
		c.size(path+".pullRequest", len(t.Git.PullRequest), len(t.Git.PullRequest) == 0, 1, 3)
		for j, f := range t.Git.PullRequest {
			where := at(path+".pullRequest", j)
			c.size(where+".events", len(f.Events), len(f.Events) == 0, 1, 3)
			for k, event := range f.Events {
				c.requiredEnum(at(where+".events", k), event, "OPEN", "UPDATED", "CLOSED")
			}
			c.patternShapes(where+".branches", f.Branches)
			c.patternShapes(where+".filePaths", f.FilePaths)
		}
	}
}

func (c *checker) patternShapes(path string, p *Patterns) {
	if p == nil {
		return
	}
	c.texts(path+".includes", p.Includes, 8, length(1, 255))
	c.texts(path+".excludes", p.Excludes, 8, length(1, 255))
}
