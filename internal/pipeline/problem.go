package pipeline

// A Problem is one thing wrong with a declaration.
type Problem struct {
	Code    Code   // the exception the API raises for it
	Path    string // where, as in stages[0].actions[1].configuration.ProjectName
	Value   string // what was found there; empty when something is missing
	Message string // the service's own text where it is known
	Fix     string // what to write instead
}
