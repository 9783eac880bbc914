package orchestrator

import (
	"slices"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// masked is how a secret configuration value reads (reference 1.7).
const masked = "****"

// secretsOf calls f for every secret configuration value of d.
func secretsOf(d pipeline.Declaration, f func(st pipeline.Stage, a pipeline.Action, key string)) {
	for _, st := range d.Stages {
		for _, a := range st.Actions {
			t, ok := pipeline.LookupType(a.TypeID)
			if !ok {
				continue
			}
			for key := range a.Configuration {
				if slices.Contains(t.Secret, key) {
					f(st, a, key)
				}
			}
		}
	}
}

// stored returns the secret of an action in the declaration before.
func stored(before pipeline.Declaration, stageName, action, key string) (string, bool) {
	for _, st := range before.Stages {
		for _, a := range st.Actions {
			if st.Name == stageName && a.Name == action {
				value, ok := a.Configuration[key]
				return value, ok
			}
		}
	}
	return "", false
}

// maskedSecrets refuses "****" where there is nothing that it could stand for.
func maskedSecrets(d, before pipeline.Declaration) error {
	var err error
	secretsOf(d, func(st pipeline.Stage, a pipeline.Action, key string) {
		if _, ok := stored(before, st.Name, a.Name, key); a.Configuration[key] == masked && !ok && err == nil {
			err = pipeline.Errorf(pipeline.InvalidActionDeclaration, "Action configuration for the new action %q contains an invalid configuration for the secret property %q. \"****\" may be used in secret properties only when updating an existing action.", a.Name, key)
		}
	})
	return err
}

// keepSecrets puts the stored values in the place of "****".
func keepSecrets(d, before pipeline.Declaration) {
	secretsOf(d, func(st pipeline.Stage, a pipeline.Action, key string) {
		if value, ok := stored(before, st.Name, a.Name, key); ok && a.Configuration[key] == masked {
			a.Configuration[key] = value
		}
	})
}
