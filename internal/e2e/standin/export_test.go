package standin

import (
	"io"
	"net/http"
)

// Needs returns what IAM would check for a request, as calls of who signed it.
func Needs(r *http.Request) ([]Call, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	q, j := readRequest(r, body), newJournal()
	var calls []Call
	for _, n := range q.needs() {
		calls = append(calls, Call{Principal: j.principal(q.key), Action: n.action, Resource: n.resource})
	}
	return calls, nil
}
