// Package approval is the provider of manual approvals on this machine.
//
// A job begins and then waits: the answer is written by the orchestrator, who
// also ends the job when its time is up and tells a topic about it when the
// action names one. The provider only gives the token the answer must carry.
package approval

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// SaltSize is how many random bytes New wants.
const SaltSize = 32

// New returns the provider. Salt is a secret of the data folder, made once at
// random: whoever knows a job's id but not the salt cannot tell its token.
func New(salt []byte) (action.Provider, error) {
	if len(salt) < SaltSize {
		return nil, fmt.Errorf("approval: salt has %d bytes, not %d", len(salt), SaltSize)
	}
	return provider{salt: append([]byte(nil), salt...)}, nil
}

type provider struct{ salt []byte }

// Start returns the same token however often the job is started. A retry is
// another job and has another one.
func (p provider) Start(_ context.Context, job action.Job) (action.Result, error) {
	token := p.token(job.ID)
	return action.Result{
		Status:      pipeline.InProgress,
		Summary:     job.Action.Configuration["CustomData"],
		ExternalID:  token, // where ListActionExecutions shows it
		ExternalURL: job.Action.Configuration["ExternalEntityLink"],
		Token:       token,
	}, nil
}

func (p provider) Poll(ctx context.Context, job action.Job) (action.Result, error) {
	return p.Start(ctx, job)
}

// Stop does nothing: nothing runs.
func (provider) Stop(context.Context, action.Job) error { return nil }

// token returns a UUID that belongs to a job.
func (p provider) token(id string) string {
	mac := hmac.New(sha256.New, p.salt)
	mac.Write([]byte(id))
	b := mac.Sum(nil)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // the marks of a UUID of version 4
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
