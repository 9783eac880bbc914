package pipeline

import "slices"

// triggers checks that each trigger belongs to one connection source and that
// its filters do not exclude each other.
func (c *checker) triggers() {
	named := map[string]bool{}
	for i, t := range c.d.Triggers {
		path := at("triggers", i) + ".gitConfiguration"
		name := t.Git.SourceActionName
		if name != "" && !c.isConnection(name) {
			c.structural(path+".sourceActionName", name,
				"Triggers for connections must reference a CodeStarSourceConnection action.",
				"name a source action whose provider is CodeStarSourceConnection")
		}
		if name != "" && named[name] {
			c.structural(path+".sourceActionName", name,
				"Triggers must reference different source actions. The following source action is referenced more than once: "+name,
				"put the filters of both into one trigger")
		}
		named[name] = true
		c.filters(path, t.Git)
	}
}

func (c *checker) isConnection(name string) bool {
	for _, s := range c.d.Stages {
		for _, a := range s.Actions {
			if a.Name == name && a.TypeID.Provider == "CodeStarSourceConnection" {
				return true
			}
		}
	}
	return false
}

func (c *checker) filters(path string, g GitConfiguration) {
	for i, f := range g.Push {
		if f.Tags != nil && (f.Branches != nil || f.FilePaths != nil) {
			c.structural(at(path+".push", i), "",
				"A push filter on tags cannot be combined with branches or filePaths.",
				"write two filters: one with tags, one with branches and filePaths")
		}
	}
	for i, f := range g.PullRequest {
		for j, event := range f.Events {
			if slices.Contains(f.Events[:j], event) {
				c.structural(at(at(path+".pullRequest", i)+".events", j), event,
					"Pull request events must be unique. The following event is used more than once: "+event,
					"remove the second one")
			}
		}
	}
}
