// Package credentials decides as whom an action calls AWS.
//
// An action has the role of its own declaration, else its pipeline's; the
// caller says which one that is. A session is named after the execution, so
// that a log of API calls tells which execution made them.
//
// IAM actions: sts:AssumeRole on the roles of actions and pipelines.
package credentials

import (
	"context"
	"errors"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"

	"github.com/sluice-ci/sluice/internal/action"
)

// A Client returns the client that does a job's calls: those of the job's
// Region, with the credentials of its role.
type Client[T any] func(ctx context.Context, job action.Job) (T, error)

// Fixed returns a Client that is the same for every job.
func Fixed[T any](client T) Client[T] {
	return func(context.Context, action.Job) (T, error) { return client, nil }
}

// Assumer is what Roles needs of *sts.Client.
type Assumer = stscreds.AssumeRoleAPIClient

// remembered is how many sessions are kept.
const remembered = 200

// Roles makes the configurations that clients are made from. It is safe for
// concurrent use.
type Roles struct {
	base     aws.Config
	sts      Assumer
	mu       sync.Mutex
	sessions map[session]aws.CredentialsProvider // guarded by mu
	order    []session                           // oldest first; guarded by mu
}

// A session is one execution in one role.
type session struct{ role, name string }

// New returns Roles that assumes roles through sts. Actions without a role
// call as base does.
func New(base aws.Config, sts Assumer) (*Roles, error) {
	if sts == nil {
		return nil, errors.New("credentials.New: a client of STS is required")
	}
	return &Roles{base: base, sts: sts, sessions: make(map[session]aws.CredentialsProvider)}, nil
}

// Config returns the configuration for the calls of job: its Region, and the
// job's role. No call is made before the first one that is signed; a
// role that cannot be assumed fails that one. Credentials are used until they
// expire.
func (r *Roles) Config(_ context.Context, job action.Job) (aws.Config, error) {
	config := r.base.Copy()
	if job.Region != "" {
		config.Region = job.Region
	}
	if job.Role != "" {
		config.Credentials = r.credentials(session{job.Role, sessionName(job.ExecutionID)})
	}
	return config, nil
}

// credentials returns the credentials of s, which all its clients share.
func (r *Roles) credentials(s session) aws.CredentialsProvider {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.sessions[s]; ok {
		return known
	}
	if len(r.order) >= remembered {
		delete(r.sessions, r.order[0])
		r.order = r.order[1:]
	}
	made := aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(r.sts, s.role, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = s.name
	}))
	r.sessions[s], r.order = made, append(r.order, s)
	return made
}

// sessionName returns a name of at most 64 characters that STS takes.
func sessionName(execution string) string {
	name := []byte("sluice-" + execution)
	for i, c := range name {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == '@', c == '=', c == ',', c == '+':
		default:
			name[i] = '-'
		}
	}
	return string(name[:min(len(name), 64)])
}
