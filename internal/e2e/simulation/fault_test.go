package simulation

// A class is a way to go wrong, as the failure model of the project numbers
// them. Elsewhere says why it is not played here, and which test has it.
type class struct{ id, what, elsewhere string }

// classes are all classes of faults, A (starting) to I (scale and time).
var classes = []class{
	{"F1", "a start or a push is told twice, at once or later", ""},
	{"F2", "two events for one commit", "two events are two starts: docs promise no more (TestDecide, internal/trigger)"},
	{"F3", "the event of a push is lost", "nothing is sent on a laptop: the watcher compares (TestMissed, internal/watch)"},
	{"F4", "the process dies, or hears nothing, between a start and its run", ""},
	{"F5", "the start of a run is done and its answer lost", ""},
	{"F6", "a pipeline is updated between a start and its run", ""},
	{"F7", "a client token is used again with another body", ""},
	{"F8", "a pipeline starts itself for ever", "there is no guard but the limit of 50 (TestLimit, internal/orchestrator)"},
	{"F9", "two find a stage free", ""},
	{"F10", "an execution leaves one stage for the next while others wait", ""},
	{"F11", "a grant is committed and nobody hears of it", ""},
	{"F12", "an old grant is delivered again", ""},
	{"F13", "a machine gives a call up and calls again", ""},
	{"F14", "the call that was given up comes late", ""},
	{"F15", "a run is ended by an operator, or its end is not heard", ""},
	{"F16", "a call of a run that is over comes late", ""},
	{"F17", "who comes races with who leaves, SUPERSEDED", ""},
	{"F18", "a transition opens or closes while somebody waits", ""},
	{"F19", "the mode changes while somebody waits or is inside", ""},
	{"F20", "a stage is removed while it is held", ""},
	{"F21", "a commit is done and its answer lost", ""},
	{"F22", "the store refuses, or says that somebody was faster", ""},
	{"F23", "the start of work fails, or is done and its answer lost", ""},
	{"F24", "work ends before it is recorded that it began", ""},
	{"F25", "the end of work is not told", ""},
	{"F26", "work tells another end than before", ""},
	{"F27", "an action times out and its work goes on", ""},
	{"F28", "work tells more than fits", ""},
	{"F29", "a run has too many events", "a machine has no loops but retries (TestLimit, internal/engine)"},
	{"F30", "somebody tells of work that is not ours", ""},
	{"F31", "stop against approve", ""},
	{"F32", "two answers to one request", ""},
	{"F33", "an answer at the deadline", ""},
	{"F34", "somebody is superseded behind an approval", ""},
	{"F35", "retry against rollback against retry", ""},
	{"F36", "two stops", ""},
	{"F37", "a retry while siblings still run", ""},
	{"F38", "a pipeline is deleted while it runs", ""},
	{"F39", "an announcement is made twice", ""},
	{"F40", "nobody takes announcements for long", ""},
	{"F41", "an alert about an alert", "a message that fails is logged and makes no other (TestAlerts, internal/orchestrator)"},
	{"F42", "an upload is cut", "files: TestCrash, internal/blob/dir"},
	{"F43", "a retry writes where the try before wrote", ""},
	{"F44", "a hostile archive", "internal/archive"},
	{"F45", "an artifact is gone", "files: internal/action/whole"},
	{"F46", "leftovers of uploads", "AWS only: a rule of the bucket (infra)"},
	{"F47", "the process is killed at any call", ""},
	{"F47a", "the process is killed while it opens", ""},
	{"F48", "the power fails", "TestCrash, internal/sqlite"},
	{"F49", "the log of the database is damaged", "TestPrefixOrRefused, TestDamagedPage, internal/sqlite"},
	{"F50", "nothing can be written for a while", ""},
	{"F51", "a second process", "TestOneProcess, internal/sqlite"},
	{"F52", "a newer format", "TestNewerFormat, internal/sqlite; there is one format so far"},
	{"F53", "a row cannot be read", "TestQuarantine, internal/engine"},
	{"F54", "the process dies while timers run", ""},
	{"F55", "processes outlive the system", "TestNoOrphans, internal/e2e"},
	{"F56", "a grandchild keeps the pipe open", "TestWaitAlwaysReturns, internal/process"},
	{"F57", "zombies", "TestNoZombies, internal/process"},
	{"F58", "a child ignores the signal to end", "TestStopGivesGrace, internal/process"},
	{"F59", "the id of a process is used again", "TestSweepSparesTheInnocent, internal/process"},
	{"F60", "a flood of output", "TestLogCap, TestLogBreaksLongLines, internal/process"},
	{"F61", "a log that takes long", "logs are files here"},
	{"F62", "a million rows", "TestLargePages, internal/store/dynamo; bars of internal/e2e"},
	{"F63", "ten thousand executions", "bars of internal/e2e"},
	{"F64", "one partition takes all writes", "AWS only"},
	{"F65", "an index or a stream is old", "AWS only; that nothing is heard is F11 and F25"},
	{"F66", "clocks jump, by a day too, and differ", ""},
	{"F67", "time zones and their changes", "internal/window"},
}

// unreached returns the classes that are played here and that a run has not
// reached.
func unreached(covered map[string]int) []string {
	var none []string
	for _, c := range classes {
		if c.elsewhere == "" && covered[c.id] == 0 {
			none = append(none, c.id+" "+c.what)
		}
	}
	return none
}
