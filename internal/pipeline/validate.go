package pipeline

import "fmt"

// Validate returns everything wrong with d that can be known without an
// account, in the order in which the service looks: the shape of the request,
// then the structure of the pipeline, its stages and its actions.
func Validate(d Declaration) []Problem { return ValidateIn(d, "") }

// ValidateIn is Validate for a pipeline of a known Region, which adds the
// rules that compare something with it. Without one, an action that names no
// Region is taken to be wherever the pipeline is.
func ValidateIn(d Declaration, region string) []Problem {
	c := &checker{d: d, region: region}
	c.shape()
	c.structure()
	for i := range d.Stages {
		c.stage(i)
	}
	for i, s := range d.Stages {
		for j := range s.Actions {
			c.action(i, j)
		}
	}
	return c.problems
}

// A checker collects the problems of one declaration.
type checker struct {
	d        Declaration
	region   string // of the pipeline; empty when unknown
	problems []Problem
}

func (c *checker) add(p Problem) { c.problems = append(c.problems, p) }

// v2 reports whether the declaration asks for a V2 pipeline.
func (c *checker) v2() bool { return c.d.Type == V2 }

func stagePath(i int) string { return fmt.Sprintf("stages[%d]", i) }

func actionPath(i, j int) string { return fmt.Sprintf("stages[%d].actions[%d]", i, j) }

func at(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }
