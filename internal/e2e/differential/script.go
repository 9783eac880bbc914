package differential

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
)

// A Kind is what a function does with a call.
type Kind string

const (
	Succeed Kind = "succeed" // it answers the token well
	Fail    Kind = "fail"    // it answers the token with an error
	Refuse  Kind = "refuse"  // the call itself fails, with an error of Lambda's
	Silence Kind = "silence" // nothing, until the task times out
	Stop    Kind = "stop"    // somebody stops the run
)

// An Answer is what a script says to a call.
type Answer struct {
	Kind   Kind
	Early  bool // before the call returns; also a refusal
	Output string
	Error  string
	Cause  string
}

func (a Answer) String() string {
	switch a.Kind {
	case Succeed:
		return "succeed " + a.Output
	case Silence:
		return string(a.Kind)
	}
	return fmt.Sprintf("%s %q", a.Kind, a.Error)
}

// A Case is a machine, its input, and what its functions answer.
type Case struct {
	Name   string // of the run
	Origin string // how it was made, for people
	Text   []byte
	Input  string
	Seed   uint64 // of the order of answers
	Answer func(Call) Answer

	// Careful says that a failure in one branch may cut others short, so the
	// emulator has to be at rest before each move.
	Careful bool
}

// chance returns a source of randomness that depends on its arguments only.
func chance(seed uint64, about ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintln(h, about...)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

func oneOf[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// refusal is the cause that a call of Lambda fails with, as Step Functions
// words it.
func refusal(code string) string {
	return fmt.Sprintf("refused (Service: AWSLambda; Status Code: 500; Error Code: %s; Request ID: r; Proxy: null)", code)
}

// text is v as JSON.
func text(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of this package's own making
	}
	return b
}
