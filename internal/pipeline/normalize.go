package pipeline

import (
	"maps"
	"slices"
)

// Normalize returns d the way the service echoes and stores it: defaults
// written out, absent lists and configurations empty. It leaves d as it was.
func Normalize(d Declaration) Declaration {
	d.Version = max(d.Version, 1)
	if d.ExecutionMode == "" {
		d.ExecutionMode = Superseded
	}
	if d.Type == "" {
		d.Type = V1
	}
	d.Stages = slices.Clone(d.Stages)
	for i := range d.Stages {
		d.Stages[i].Actions = slices.Clone(d.Stages[i].Actions)
		for j, a := range d.Stages[i].Actions {
			d.Stages[i].Actions[j] = normalizeAction(a)
		}
	}
	return d
}

func normalizeAction(a Action) Action {
	a.RunOrder = a.Order()
	if a.Configuration == nil {
		a.Configuration = map[string]string{}
	}
	if a.InputArtifacts == nil {
		a.InputArtifacts = []InputArtifact{}
	}
	if a.OutputArtifacts == nil {
		a.OutputArtifacts = []OutputArtifact{}
	}
	return a
}

// Masked is what a secret configuration value reads back as.
const Masked = "****"

// Mask returns a with its secret configuration values masked. The secret keys
// of a custom action type are declared elsewhere; the caller names them.
func Mask(a Action, secret ...string) Action {
	if t, ok := LookupType(a.TypeID); ok {
		secret = slices.Concat(secret, t.Secret)
	}
	a.Configuration = maps.Clone(a.Configuration)
	for _, key := range secret {
		if _, ok := a.Configuration[key]; ok {
			a.Configuration[key] = Masked
		}
	}
	return a
}

// Unmask returns d with every masked secret replaced by the value that the
// action of the same stage and name has in stored. What stays masked belongs
// to a new or renamed action, and [Validate] refuses it.
func Unmask(d, stored Declaration) Declaration {
	d.Stages = slices.Clone(d.Stages)
	for i, s := range d.Stages {
		d.Stages[i].Actions = slices.Clone(s.Actions)
		for j, a := range s.Actions {
			old, ok := stored.action(s.Name, a.Name)
			if !ok || old.TypeID != a.TypeID {
				continue
			}
			a.Configuration = maps.Clone(a.Configuration)
			for key, value := range a.Configuration {
				if was, ok := old.Configuration[key]; ok && value == Masked {
					a.Configuration[key] = was
				}
			}
			d.Stages[i].Actions[j] = a
		}
	}
	return d
}

// action returns the action of this name in the stage of that name.
func (d Declaration) action(stage, name string) (Action, bool) {
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if s.Name == stage && a.Name == name {
				return a, true
			}
		}
	}
	return Action{}, false
}
