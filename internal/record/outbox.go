package record

import (
	"encoding/json"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
	"github.com/sluice-ci/sluice/internal/store"
)

// An Outbox row is what is to be done after a transaction, and is written with
// it. It is deleted once everything in it is done; a row that is done twice
// changes nothing.
type Outbox struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	Starts    []StartRun  `json:"starts,omitempty"`
	Stops     []StopRun   `json:"stops,omitempty"`
	Admits    []Admit     `json:"admits,omitempty"`
	Answers   []Answer    `json:"answers,omitempty"`
	Begins    []ActionID  `json:"begins,omitempty"` // rules, and actions that waited for their turn, whose work is to be started
	Kills     []ActionID  `json:"kills,omitempty"`  // actions that were abandoned and whose work is to be stopped
	Polls     []Poll      `json:"polls,omitempty"`
	Publishes []bus.Event `json:"publishes,omitempty"`
	Notices   []Notice    `json:"notices,omitempty"`
}

// A StartRun starts a machine run.
type StartRun struct {
	Run       string `json:"run"`
	Pipeline  string `json:"pipeline"`
	Version   int    `json:"version"`
	Execution string `json:"execution"`
}

// A StopRun aborts a machine run.
type StopRun struct {
	Run   string `json:"run"`
	Error string `json:"error"`
	Cause string `json:"cause"`
}

// An Admit tells the machine that a stage admitted an execution. Who delivers
// it reads the execution, the stage and the waiter again: only a grant that
// still holds for this entry is passed on, with the newest token.
type Admit struct {
	Execution string `json:"execution"`
	Stage     string `json:"stage"`
	Entry     int    `json:"entry"`
	Fence     int64  `json:"fence"`
}

// An Answer completes a machine task, well when Error is empty.
type Answer struct {
	Token string `json:"token"`
	Error string `json:"error,omitempty"`
	Cause string `json:"cause,omitempty"`
}

// A Poll asks the provider of an action how its work stands.
type Poll struct {
	Job string    `json:"job"`          // action execution id
	Due time.Time `json:"due,omitzero"` // there is nothing to be heard before

	// Cursor is where the work has come to and has to go on from; empty when
	// it goes on elsewhere by itself.
	Cursor string `json:"cursor,omitempty"`
}

// An ActionID tells one try of an action from all others.
type ActionID struct {
	Execution string   `json:"execution"`
	Attempt   int      `json:"attempt"`
	Stage     string   `json:"stage"`
	Gate      GateKind `json:"gate,omitempty"` // of a rule
	Name      string   `json:"name"`
	Try       int      `json:"try"`
}

// Key returns where the action, or the rule, is stored.
func (id ActionID) Key() store.Key {
	if id.Gate != "" {
		return RuleKey(id)
	}
	return ActionKey(id.Execution, id.Attempt, id.Stage, id.Name, id.Try)
}

// A Notice is a message to a topic. Exactly one of Message, Text and Asks says
// what is in it.
type Notice struct {
	ID      string          `json:"id"` // the same for every delivery
	Topic   string          `json:"topic"`
	Subject string          `json:"subject"`
	Message json.RawMessage `json:"message,omitempty"` // JSON, for programs
	Text    string          `json:"text,omitempty"`    // plain text, for people

	// Asks is the approval that people are asked for. The text is made when it
	// is delivered, because it may hold a secret, and none is ever kept here.
	Asks *ActionID `json:"asks,omitempty"`
}
