package pipeline

import (
	"fmt"
	"maps"
	"slices"
)

// A use is one reference and the member of an action that holds it.
type use struct {
	ref  Reference
	key  string // as ActionConfigurationKey in the service's messages
	path string // inside the action
}

// usesOf returns every reference a makes, in a stable order.
func usesOf(a Action) []use {
	var uses []use
	scan := func(text, key, path string) {
		for _, ref := range References(text) {
			uses = append(uses, use{ref, key, path})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.Configuration)) {
		scan(a.Configuration[key], key, "configuration."+key)
	}
	for i, command := range a.Commands {
		scan(command, "commands", at("commands", i))
	}
	for i, v := range a.EnvironmentVariables {
		scan(v.Value, "environmentVariables", at("environmentVariables", i)+".value")
	}
	return uses
}

// details is the second line of every message about a reference.
func details(stage, action string, u use) string {
	return fmt.Sprintf("\nStageName=[%s], ActionName=[%s], ActionConfigurationKey=[%s], VariableReferenceText=[%s.%s]",
		stage, action, u.key, u.ref.Namespace, u.ref.Key)
}

// pipelineVariableUses checks references to variables of the pipeline.
func (c *checker) pipelineVariableUses() {
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			for _, u := range usesOf(a) {
				if u.ref.Namespace == VariableNamespace {
					c.pipelineVariableUse(actionPath(i, j)+"."+u.path, s.Name, a, u)
				}
			}
		}
		for _, u := range gateUses(s) {
			if u.ref.Namespace == VariableNamespace && !c.declares(u.ref.Key) {
				c.structural(stagePath(i)+"."+u.path, u.ref.String(), "The referenced variables haven't been declared."+details(s.Name, u.rule, u.use), c.declareFix(u.ref.Key))
			}
		}
	}
}

func (c *checker) pipelineVariableUse(path, stage string, a Action, u use) {
	switch {
	case a.TypeID.Category == Source:
		c.structural(path, u.ref.String(), "Variables at the pipeline level cannot be used in source actions."+details(stage, a.Name, u),
			"write the value itself")
	case !c.declares(u.ref.Key):
		c.structural(path, u.ref.String(), "The referenced variables haven't been declared."+details(stage, a.Name, u), c.declareFix(u.ref.Key))
	}
}

func (c *checker) declares(name string) bool {
	return slices.ContainsFunc(c.d.Variables, func(v Variable) bool { return v.Name == name })
}

func (c *checker) declareFix(name string) string {
	var names []string
	for _, v := range c.d.Variables {
		names = append(names, v.Name)
	}
	if near := Nearest(name, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "declare it in variables"
}

// namespace checks the namespace that action j of stage i declares.
func (c *checker) namespace(i, j int) {
	a := c.d.Stages[i].Actions[j]
	if a.Namespace == "" {
		return
	}
	path := actionPath(i, j) + ".namespace"
	detail := fmt.Sprintf("\nStageName=[%s], ActionName=[%s], Namespace=[%s]", c.d.Stages[i].Name, a.Name, a.Namespace)
	switch first, second, _ := c.owner(a.Namespace); {
	case a.Namespace == GlobalNamespace || a.Namespace == VariableNamespace:
		c.acted(path, a.Namespace, "Namespaces must not be reserved names. The following are reserved."+detail, "choose another namespace")
	case first != i || second != j:
		c.acted(path, a.Namespace, "Namespaces must be unique across the pipeline definition. The following occur more than once in the pipeline."+detail, "choose another namespace")
	}
	if _, _, clash := c.d.Producer(a.Namespace); clash {
		c.acted(path, a.Namespace, "Namespaces must be different from the names of artifacts. The following are also names of artifacts."+detail, "choose another namespace")
	}
}

// owner returns the first action that declares namespace.
func (c *checker) owner(namespace string) (stage, action int, ok bool) {
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			if a.Namespace == namespace {
				return i, j, true
			}
		}
	}
	return 0, 0, false
}

// actionVariableUses checks that every namespace action j of stage i uses is
// filled before it starts.
func (c *checker) actionVariableUses(i, j int) {
	s := c.d.Stages[i]
	a := s.Actions[j]
	for _, u := range usesOf(a) {
		if fix, ok := c.filled(u.ref.Namespace, i, a.Order()); !ok {
			c.acted(actionPath(i, j)+"."+u.path, u.ref.String(), noNamespace+details(s.Name, a.Name, u), fix)
		}
	}
	if j > 0 {
		return
	}
	for _, u := range gateUses(s) { // once a stage
		if fix, ok := c.filled(u.ref.Namespace, i, u.order); !ok {
			c.staged(stagePath(i)+"."+u.path, u.ref.String(), noNamespace+details(s.Name, u.rule, u.use), fix)
		}
	}
}

const noNamespace = "Valid format for a pipeline execution variable reference is a namespace and a key separated by a period (.). The following pipeline execution variables are referencing a namespace that does not exist."

// filled reports whether namespace has its variables when an action with this
// run order starts in stage i, and what to do if it has not.
func (c *checker) filled(namespace string, i, order int) (fix string, ok bool) {
	if namespace == GlobalNamespace || namespace == VariableNamespace {
		return "", true
	}
	stage, action, found := c.owner(namespace)
	if !found {
		return suggest(namespace, c.namespaces()), false
	}
	producer := c.d.Stages[stage].Actions[action]
	if stage < i || stage == i && producer.Order() < order {
		return "", true
	}
	return fmt.Sprintf("use it after action %s of stage %s, which fills the namespace", producer.Name, c.d.Stages[stage].Name), false
}

func (c *checker) namespaces() []string {
	names := []string{GlobalNamespace, VariableNamespace}
	for _, s := range c.d.Stages {
		for _, a := range s.Actions {
			if a.Namespace != "" {
				names = append(names, a.Namespace)
			}
		}
	}
	return names
}

// A gateUse is a use by a rule of a stage.
type gateUse struct {
	use
	rule  string
	order int // actions of the stage below this run order have ended
}

// gateUses returns every reference the rules of s make.
func gateUses(s Stage) []gateUse {
	var uses []gateUse
	for _, g := range gatesOf(s) {
		order := 1000
		if g.name == "beforeEntry" {
			order = 0
		}
		for k, cond := range g.conditions {
			for l, r := range cond.Rules {
				path := at(at(g.name+".conditions", k)+".rules", l)
				for _, u := range usesOf(Action{Configuration: r.Configuration, Commands: r.Commands}) {
					u.path = path + "." + u.path
					uses = append(uses, gateUse{u, r.Name, order})
				}
			}
		}
	}
	return uses
}
