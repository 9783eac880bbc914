// Package entry is what the mains of all functions share: the environment, the
// log, the configuration of AWS clients, and the loop of the Lambda runtime.
//
// What a function is handed is JSON that others wrote, so every payload is
// decoded by [Decode], which says what was wrong with it and never quotes it:
// task tokens and secrets of links travel in payloads. A failure is logged
// once, here, under the id of its request.
package entry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/sluice-ci/sluice/internal/config"
)

// A Handler does the work of a function. Its answer is encoded as JSON; nil is
// null. It is called by one request at a time, and any number of processes
// call theirs at once.
type Handler func(ctx context.Context, payload []byte) (any, error)

// An Environment is what a function finds around it.
type Environment struct {
	*config.Env
	AWS aws.Config
	Log *slog.Logger
}

// Main runs a function: build makes its handler, once, and Main serves it until
// Lambda stops the process. A build that fails ends the process with the
// reason in the log; one that lacks variables names all of them.
func Main(build func(e Environment) (Handler, error)) {
	env := config.New(os.LookupEnv)
	log := newLog(os.Stderr, env)
	slog.SetDefault(log) // and with it the log of packages that know no other
	e := Environment{Env: env, AWS: awsConfig(env), Log: log}
	h, err := build(e)
	if missing := env.Err(); missing != nil { // what was built on it failed for that reason
		err = missing
	}
	if err != nil {
		log.Error("the function cannot start", "err", err)
		os.Exit(1)
	}
	lambda.Start(Serve(log, h))
}

// Serve returns h as the runtime calls it. A panic is the failure of one call.
func Serve(log *slog.Logger, h Handler) lambda.Handler { return server{log, h} }

type server struct {
	log    *slog.Logger
	handle Handler
}

// Invoke implements lambda.Handler.
func (s server) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	out, err := s.call(ctx, payload)
	var answer []byte
	if err == nil {
		answer, err = json.Marshal(out)
	}
	if err != nil {
		s.log.ErrorContext(ctx, "request failed", "err", err)
		return nil, named(err)
	}
	return answer, nil
}

func (s server) call(ctx context.Context, payload []byte) (out any, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.log.ErrorContext(ctx, "request panicked", "panic", p, "stack", string(debug.Stack()))
			err = errors.New("the function panicked; its log says where")
		}
	}()
	return s.handle(ctx, payload)
}

// The names that a state machine sees of what a handler returned. Those of
// compile's retries lead to another call, all others do not.
const (
	again   = "Lambda.Unknown" // as the machine of a laptop says it
	refused = "Sluice.Refused" // it would be refused again
)

// named returns err under the name that a state machine acts on. Left alone,
// Lambda would report the Go type of the outermost error.
func named(err error) error {
	name := again
	if _, ok := errors.AsType[*RefusedError](err); ok {
		name = refused
	}
	return messages.InvokeResponse_Error{Type: name, Message: err.Error()}
}
