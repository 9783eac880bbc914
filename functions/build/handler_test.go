package main

import (
	"testing"

	"github.com/sluice-ci/sluice/internal/cloud/cloudtest"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// A build is begun once; its task is answered later, when it has ended.
func TestOneEffect(t *testing.T) {
	cloudtest.OneEffect(t, cloudtest.Acts("Build", func(svc *orchestrator.Service) entry.Handler { return handler(svc) }))
}

func TestPayload(t *testing.T) { cloudtest.RefusesTask(t, handler(cloudtest.New().Process(t))) }
