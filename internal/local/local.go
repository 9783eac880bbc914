// Package local assembles Sluice on one machine: the same use cases and the
// same state machines as in an AWS account, over SQLite, a folder and the
// embedded engine.
package local

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
)

// Account and Region are what ARNs of a laptop are made of.
const (
	Account = "000000000000"
	Region  = "local"
)

// Options say how a system is opened. Data is required.
type Options struct {
	Data            string // folder of everything that is kept
	Mapping         mapping.Mapping
	Log             *slog.Logger
	AcceptLoss      bool // open although acknowledged writes are missing
	SimulateSources bool // sources that are not mapped are simulated instead of failing
}

// A System is an open data folder with everything that works on it. Exactly
// one process has a folder open.
type System struct {
	Service *orchestrator.Service
	Records record.Reader
}

// Open opens or makes a data folder and goes on with whatever was under way.
func Open(ctx context.Context, o Options) (*System, error) { return nil, errors.New("not there yet") }

// Close stops taking work and closes the folder. What runs is resumed by the
// next Open, as after a crash; builds under way are ended first.
func (s *System) Close() error { return nil }

// Register makes the pipelines of the folder equal to defs: new ones are
// created, changed ones updated, and the names of both are returned. It starts
// no execution and deletes nothing.
func (s *System) Register(ctx context.Context, defs []definition.Definition) (created, updated []string, err error) {
	return nil, nil, nil
}

// Watch watches the mapped repositories and buckets until ctx ends and starts
// what listens to them.
func (s *System) Watch(ctx context.Context) error { return nil }

// Handler serves the API and what the program's own commands read beside it:
//
//	POST /                            the CodePipeline API
//	GET  /logs/{actionExecutionId}    the log so far, text/plain; ?offset=N bytes to skip
//	GET  /decisions/{pipeline}        JSON list of record.Decision, newest first
//
// hosts are the Host headers it answers to, such as 127.0.0.1:8080.
func (s *System) Handler(hosts ...string) http.Handler { return nil }

// LogFile returns where the log of an action execution lies; it may not exist.
func (s *System) LogFile(actionExecutionID string) string { return "" }
