package standin

import (
	"context"
	"regexp"
	"strings"
	"sync"
	"time"
)

// A Call is one permission that somebody made use of: what IAM would have
// checked. A request can be several, such as a transaction.
type Call struct {
	Principal string // name of the function, or of the role that was assumed or that a machine runs as; "person" who deploys
	Action    string // as policies name it: "dynamodb:PutItem"
	Resource  string // ARN, or "*" where the request does not tell
	Error     bool   // the answer was an error
}

// An entry is a request that was answered.
type entry struct {
	principal string
	request   request
	needs     []need
	failed    bool
}

// A journal is what was called so far, and who the keys belong to.
type journal struct {
	mu      sync.Mutex
	entries []entry
	roles   map[string]temporary // by key id
	more    chan struct{}        // closed when the next entry is there
}

// temporary are the credentials that AssumeRole gave out.
type temporary struct{ role, session, secret string }

// Keys of the stand-in carry the name of whom they belong to. That of AWS's own
// services is not recorded.
const (
	keyPrefix  = "standin."
	secretKey  = "standin"
	personKey  = keyPrefix + "person"
	serviceKey = keyPrefix + "service"
)

func newJournal() *journal {
	return &journal{roles: map[string]temporary{}, more: make(chan struct{})}
}

// principal returns the name behind a key id, or the key id if nobody knows it.
func (j *journal) principal(key string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if t, ok := j.roles[key]; ok {
		return t.role
	}
	return strings.TrimPrefix(key, keyPrefix)
}

// assumed returns the credentials behind a key id that AssumeRole gave out.
func (j *journal) assumed(key string) (temporary, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	t, ok := j.roles[key]
	return t, ok
}

// note records a request with its answer's status and, for AssumeRole, text.
func (j *journal) note(q request, status int, answer []byte) {
	if q.key == serviceKey || q.key == "" {
		return
	}
	e := entry{principal: j.principal(q.key), request: q, needs: q.needs(), failed: status >= 300}
	e.request.body, e.request.http = nil, nil // may be large
	j.mu.Lock()
	defer j.mu.Unlock()
	if q.name() == "sts:AssumeRole" && !e.failed {
		j.roles[element(answer, "AccessKeyId")] = temporary{
			role:    lastElement(q.text("RoleArn")),
			session: q.text("RoleSessionName"),
			secret:  element(answer, "SecretAccessKey"),
		}
	}
	j.add(e)
}

// add appends an entry and wakes who waits for one. Calls of the person wake
// nobody: whoever waits may make them to look.
func (j *journal) add(e entry) {
	j.entries = append(j.entries, e)
	if e.request.key != personKey {
		close(j.more)
		j.more = make(chan struct{})
	}
}

// noteFor records needs that AWS has in the name of a principal.
func (j *journal) noteFor(principal string, needs []need) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.add(entry{principal: principal, needs: needs})
}

// all returns the entries so far and a channel that is closed by the next one.
func (j *journal) all() ([]entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.entries[:len(j.entries):len(j.entries)], j.more
}

// Calls returns every call that was made of AWS so far, in the order of their
// answers, but those that the stand-in makes itself. Those of KMS that a
// service makes in the name of its caller follow the call they belong to.
func (s *Standin) Calls() []Call {
	entries, _ := s.calls.all()
	var calls []Call
	for _, e := range entries {
		for _, n := range e.needs {
			calls = append(calls, Call{e.principal, n.action, n.resource, e.failed})
			for _, k := range s.keys.needed(n, e.request) {
				calls = append(calls, Call{e.principal, k.action, k.resource, e.failed})
			}
		}
	}
	return calls
}

// Until waits until ok reports true. It asks at once, after every call that is
// recorded, and now and then, since not all that happens is a call. It gives up
// when ctx ends.
func (s *Standin) Until(ctx context.Context, ok func() bool) error {
	for {
		_, more := s.calls.all()
		if ok() {
			return nil
		}
		select {
		case <-more:
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// element returns the text of the first XML element with that name.
func element(xml []byte, name string) string {
	m := regexp.MustCompile("<" + name + ">([^<]*)</" + name + ">").FindSubmatch(xml)
	if m == nil {
		return ""
	}
	return string(m[1])
}

func lastElement(arn string) string { return arn[strings.LastIndexAny(arn, "/:")+1:] }
