package codepipeline

import "github.com/sluice-ci/sluice/internal/pipeline"

// A Declaration is a declaration on its way to a caller.
type Declaration pipeline.Declaration

// MarshalJSON writes d as the service echoes it: an action has its run order,
// configuration and artifacts even when none were declared, and its secrets
// are masked.
func (d Declaration) MarshalJSON() ([]byte, error) {
	type echoedAction struct {
		pipeline.Action
		RunOrder        int                       `json:"runOrder"`
		Configuration   map[string]string         `json:"configuration"`
		OutputArtifacts []pipeline.OutputArtifact `json:"outputArtifacts"`
		InputArtifacts  []pipeline.InputArtifact  `json:"inputArtifacts"`
	}
	type echoedStage struct {
		pipeline.Stage
		Actions []echoedAction `json:"actions"`
	}
	echo := struct {
		pipeline.Declaration
		Stages []echoedStage `json:"stages"`
	}{pipeline.Declaration(d), make([]echoedStage, len(d.Stages))}
	for i, s := range d.Stages {
		echo.Stages[i] = echoedStage{s, make([]echoedAction, len(s.Actions))}
		for j, a := range s.Actions {
			a = pipeline.Mask(a)
			echo.Stages[i].Actions[j] = echoedAction{a, a.Order(), some(a.Configuration), all(a.OutputArtifacts), all(a.InputArtifacts)}
		}
	}
	return encode(echo), nil
}

// some returns m, never nil: null is not written.
func some[M ~map[string]string](m M) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

// all returns list, never nil: null is not written.
func all[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
