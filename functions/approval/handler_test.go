package main

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// Whoever asks first for the first approval of all makes the salt of the tokens;
// there is one request with one token.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, cloudtest.Acts("Ask", func(svc *orchestrator.Service) entry.Handler { return handler(svc) }))
}

func TestPayload(t *testing.T) { cloudtest.RefusesTask(t, handler(cloudtest.New().Process(t))) }
