package pipeline

import "fmt"

// Producer returns the indices of the stage and the action that write
// artifact.
func (d Declaration) Producer(artifact string) (stage, action int, ok bool) {
	for i, s := range d.Stages {
		for j, a := range s.Actions {
			for _, out := range a.OutputArtifacts {
				if out.Name == artifact {
					return i, j, true
				}
			}
		}
	}
	return 0, 0, false
}

// uniqueOutputs checks that no artifact has two producers.
func (c *checker) uniqueOutputs() {
	seen := map[string]bool{}
	for i, s := range c.d.Stages {
		for j, a := range s.Actions {
			for k, out := range a.OutputArtifacts {
				if out.Name != "" && seen[out.Name] {
					c.structural(at(actionPath(i, j)+".outputArtifacts", k)+".name", out.Name,
						fmt.Sprintf("Output Artifact Bundle name must be unique within the pipeline. %s has been used more than once.", out.Name),
						"rename one of the two and the inputs that mean it")
				}
				seen[out.Name] = true
			}
		}
	}
}

// inputs checks that what action j of stage i reads was written before it.
func (c *checker) inputs(i, j int) {
	a := c.d.Stages[i].Actions[j]
	for k, in := range a.InputArtifacts {
		if in.Name == "" {
			continue
		}
		path := at(actionPath(i, j)+".inputArtifacts", k) + ".name"
		if fix, ok := c.readable(in.Name, i, a.Order()); !ok {
			c.add(Problem{Code: InvalidActionDeclaration, Path: path, Value: in.Name, Fix: fix,
				Message: fmt.Sprintf("Input Artifact Bundle %s in action %s is not declared as Output Artifact Bundle in any of the preceding actions", in.Name, a.Name)})
		}
	}
}

// readable reports whether artifact exists when an action with this run order
// starts in stage i, and what to do if it does not.
func (c *checker) readable(artifact string, i, order int) (fix string, ok bool) {
	stage, action, found := c.d.Producer(artifact)
	if !found {
		if near := Nearest(artifact, c.outputs()); near != "" {
			return "did you mean " + near + "?", false
		}
		return "name an output artifact of an earlier action", false
	}
	producer := c.d.Stages[stage].Actions[action]
	if stage < i || stage == i && producer.Order() < order {
		return "", true
	}
	return fmt.Sprintf("run it after action %s of stage %s, which writes the artifact", producer.Name, c.d.Stages[stage].Name), false
}

// outputs returns the names of all output artifacts.
func (c *checker) outputs() []string {
	var names []string
	for _, s := range c.d.Stages {
		for _, a := range s.Actions {
			for _, out := range a.OutputArtifacts {
				names = append(names, out.Name)
			}
		}
	}
	return names
}
