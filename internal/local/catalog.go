package local

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/approval"
	"github.com/sluice-ci/sluice/internal/action/background"
	"github.com/sluice-ci/sluice/internal/action/codebuild"
	"github.com/sluice-ci/sluice/internal/action/commands"
	"github.com/sluice-ci/sluice/internal/action/deploymentwindow"
	"github.com/sluice-ci/sluice/internal/action/git"
	"github.com/sluice-ci/sluice/internal/action/s3"
	"github.com/sluice-ci/sluice/internal/action/simulated"
	"github.com/sluice-ci/sluice/internal/action/variablecheck"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/secret/file"
)

// catalog knows what really runs here. Everything else is simulated, and says
// so.
type catalog struct {
	real      map[kind]action.Provider
	simulated action.Provider
	runner    *background.Runner // of the builds
}

// kind is an action type without its version.
type kind struct {
	category pipeline.Category
	provider string
}

func newCatalog(o Options, blobs blob.Store, ended func(jobID string)) (*catalog, error) {
	runner, err := newRunner(o, ended)
	if err != nil {
		return nil, err
	}
	secrets := o.Mapping.Secrets
	if secrets == "" {
		secrets = filepath.Join(o.Data, "secrets.yaml")
	}
	vault, err := file.New(secrets)
	if err != nil {
		return nil, err
	}
	salt, err := saltOf(o.Data)
	if err != nil {
		return nil, err
	}
	gate, err := approval.New(salt)
	if err != nil {
		return nil, err
	}
	simulation := simulated.New(blobs, simulated.Options{Sources: o.Simulate})
	if o.Simulate {
		return &catalog{runner: runner, simulated: simulation, real: map[kind]action.Provider{{pipeline.Approval, "Manual"}: gate}}, nil
	}
	builds, err := codebuild.New(runner, blobs, codebuild.Options{Projects: o.Mapping.Projects, Secrets: vault})
	if err != nil {
		return nil, err
	}
	shell, err := commands.New(runner, blobs, commands.Options{Secrets: vault})
	if err != nil {
		return nil, err
	}
	window, err := deploymentwindow.New(time.Now)
	if err != nil {
		return nil, err
	}
	repositories := git.New(o.Mapping, blobs)
	c := &catalog{runner: runner, simulated: simulation, real: map[kind]action.Provider{
		{pipeline.Approval, "Manual"}:                 gate,
		{pipeline.Build, "CodeBuild"}:                 quiet{builds, ended},
		{pipeline.Test, "CodeBuild"}:                  builds,
		{pipeline.Build, "Commands"}:                  quiet{shell, ended},
		{pipeline.Compute, "Commands"}:                quiet{shell, ended},
		{pipeline.Deploy, "S3"}:                       s3.NewDeploy(o.Mapping, o.Data, blobs),
		{pipeline.Source, "S3"}:                       s3.NewSource(o.Mapping, o.Data, blobs),
		{pipeline.Source, "CodeCommit"}:               repositories,
		{pipeline.Source, "CodeStarSourceConnection"}: repositories,
		{pipeline.Source, "GitHub"}:                   repositories,
		{pipeline.RuleCategory, "VariableCheck"}:      variablecheck.New(),
		{pipeline.RuleCategory, "DeploymentWindow"}:   window,
	}}
	return c, nil
}

// newRunner runs builds, when it has put an end to what an earlier process left.
func newRunner(o Options, ended func(jobID string)) (*background.Runner, error) {
	runner, err := background.New(o.Data, background.Options{Ended: ended})
	if err != nil || o.Paused {
		return runner, err
	}
	if n, err := runner.Sweep(); err != nil || n > 0 {
		o.Log.Warn("processes of an earlier run were ended", "number", n, "err", err)
	}
	if err := runner.Tidy(); err != nil {
		o.Log.Warn("folders of an earlier run's builds are left", "err", err)
	}
	return runner, nil
}

// Provider implements action.Catalog.
func (c *catalog) Provider(id pipeline.ActionTypeID) action.Provider {
	if p, ok := c.real[kind{id.Category, id.Provider}]; ok && Runs(id) {
		return p
	}
	return c.simulated
}

// runsHere lists what is more than simulated here.
var runsHere = map[kind]pipeline.Owner{
	{pipeline.Approval, "Manual"}:                 pipeline.AWS,
	{pipeline.Build, "CodeBuild"}:                 pipeline.AWS,
	{pipeline.Test, "CodeBuild"}:                  pipeline.AWS,
	{pipeline.Build, "Commands"}:                  pipeline.AWS,
	{pipeline.Compute, "Commands"}:                pipeline.AWS,
	{pipeline.Deploy, "S3"}:                       pipeline.AWS,
	{pipeline.Source, "S3"}:                       pipeline.AWS,
	{pipeline.Source, "CodeCommit"}:               pipeline.AWS,
	{pipeline.Source, "CodeStarSourceConnection"}: pipeline.AWS,
	{pipeline.Source, "GitHub"}:                   pipeline.ThirdParty,
	{pipeline.RuleCategory, "VariableCheck"}:      pipeline.AWS,
	{pipeline.RuleCategory, "DeploymentWindow"}:   pipeline.AWS,
}

// Runs reports whether actions of type id really run on a laptop, in a system
// that was not opened to simulate everything.
func Runs(id pipeline.ActionTypeID) bool {
	owner, ok := runsHere[kind{id.Category, id.Provider}]
	return ok && owner == id.Owner && id.Version == "1"
}

// close ends the builds under way.
func (c *catalog) close() error { return c.runner.Close() }

// saltOf returns what makes approval tokens of this folder unlike any other's.
// One that was cut short, by the death of the process that made it, was never
// used.
func saltOf(data string) ([]byte, error) {
	file := filepath.Join(data, "salt")
	salt, err := os.ReadFile(file)
	if err == nil && len(salt) >= approval.SaltSize || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return salt, err
	}
	salt = make([]byte, approval.SaltSize)
	rand.Read(salt) // never fails
	return salt, os.WriteFile(file, salt, 0o600)
}
