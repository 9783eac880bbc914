package main

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// The function is called once, and the task is answered once.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, cloudtest.Acts("Call", func(svc *orchestrator.Service) entry.Handler { return handler(svc) }))
}

func TestPayload(t *testing.T) { cloudtest.RefusesTask(t, handler(cloudtest.New().Process(t))) }
