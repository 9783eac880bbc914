package record

import (
	"encoding/json"
	"time"

	"github.com/sluice-ci/sluice/internal/bus"
)

// An Outbox row is something to do after a transaction: exactly one of its
// pointers is set. It is written in the transaction and deleted once done; a
// row that is done twice changes nothing.
type Outbox struct {
	ID      string    `json:"id"`
	Created time.Time `json:"created"`

	Start   *StartRun  `json:"start,omitempty"`
	Stop    *StopRun   `json:"stop,omitempty"`
	Admit   *Admit     `json:"admit,omitempty"`
	Answer  *Answer    `json:"answer,omitempty"`
	Kill    *Kill      `json:"kill,omitempty"`
	Publish *bus.Event `json:"publish,omitempty"`
	Notify  *Notify    `json:"notify,omitempty"`
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

// A Kill stops the work of an action that was abandoned.
type Kill struct {
	Action ActionID `json:"action"`
}

// An ActionID tells one try of an action from all others.
type ActionID struct {
	Execution string `json:"execution"`
	Attempt   int    `json:"attempt"`
	Stage     string `json:"stage"`
	Name      string `json:"name"`
	Try       int    `json:"try"`
}

// A Notify is a message to a topic, such as the request for an approval.
type Notify struct {
	Topic   string          `json:"topic"`
	Subject string          `json:"subject"`
	Message json.RawMessage `json:"message"`
}
