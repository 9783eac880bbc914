// Package services stands in for the two services of AWS that the scenarios
// need and the emulator has not: CodeCommit over real git repositories, and
// CodeBuild that really runs buildspecs.
//
// They know as much of the services as the scenarios use, and prove nothing
// about the services themselves: field names and errors are those of the API
// reference, the behaviour behind them is ours.
package services

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// An operation answers a request body with something that becomes JSON.
type operation func(r *http.Request, body []byte) (any, error)

// A failure is an error of the JSON 1.1 protocol.
type failure struct{ code, message string }

func (f failure) Error() string { return f.code + ": " + f.message }

// service answers the operations whose X-Amz-Target is <prefix>.<name>.
type service struct {
	prefix     string
	operations map[string]operation
}

// Takes reports whether a request is for s.
func (s service) Takes(r *http.Request) bool {
	return strings.HasPrefix(r.Header.Get("X-Amz-Target"), s.prefix+".")
}

// ServeHTTP implements http.Handler.
func (s service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), s.prefix+".")
	out, err := s.answer(r, name)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err == nil {
		json.NewEncoder(w).Encode(out) // an error here means the caller left
		return
	}
	f, ok := err.(failure)
	status := http.StatusBadRequest
	if !ok {
		f, status = failure{"InternalFailure", err.Error()}, http.StatusInternalServerError
	}
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"__type": f.code, "message": f.message})
}

func (s service) answer(r *http.Request, name string) (any, error) {
	op, ok := s.operations[name]
	if !ok {
		return nil, failure{"UnknownOperationException", fmt.Sprintf("the stand-in of %s does not know %s", s.prefix, name)}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	return op(r, body)
}

// with decodes the body for f.
func with[In any](f func(r *http.Request, in In) (any, error)) operation {
	return func(r *http.Request, body []byte) (any, error) {
		var in In
		if err := json.Unmarshal(body, &in); err != nil {
			return nil, failure{"SerializationException", err.Error()}
		}
		return f(r, in)
	}
}
