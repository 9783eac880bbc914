package pipeline

// Status is the state of a pipeline execution, a stage execution or an action
// execution, spelled as the API spells it. Not every object knows every value.
type Status string

const (
	InProgress          Status = "InProgress"
	Stopping            Status = "Stopping"
	Stopped             Status = "Stopped"
	Succeeded           Status = "Succeeded"
	Failed              Status = "Failed"
	Cancelled           Status = "Cancelled"
	SupersededExecution Status = "Superseded"
	Skipped             Status = "Skipped"    // stages only
	Abandoned           Status = "Abandoned"  // actions, rules and gates only
	Overridden          Status = "Overridden" // gates only
)

// Final reports whether a thing with status s has ended. A retry may still
// open a new attempt of a Failed or Stopped execution.
func (s Status) Final() bool {
	return s != "" && s != InProgress && s != Stopping
}
