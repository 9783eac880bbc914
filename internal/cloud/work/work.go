// Package work is what whoever runs actions in an AWS account needs: the
// artifacts and the roles that providers work in.
//
// Artifacts and records are accessed in the function's own role; whatever a
// provider does to the world of its action, it does in the role of the job.
package work

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	blobs3 "github.com/sluice-ci/sluice/internal/blob/s3"
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/cloud/catalog"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Bench is where providers work.
type Bench struct {
	AWS     aws.Config
	Store   store.Store
	Records record.Reader
	Roles   *credentials.Roles
	STS     *sts.Client
	Objects *s3.Client    // of the artifact bucket, in the function's own role
	Blobs   *blobs3.Store // what is in it
	Bucket  string        // its name
	Key     string        // ARN of the key of KMS that encrypts it
}

// New returns the bench of a function.
func New(e entry.Environment) (*Bench, error) {
	b := &Bench{AWS: e.AWS, Bucket: e.String("SLUICE_BUCKET"), Key: e.String("SLUICE_KEY")}
	account := e.String("SLUICE_ACCOUNT")
	table, err := cloud.Table(e)
	if err != nil {
		return nil, err
	}
	b.Store, b.Records = table, record.Reader{Store: table, Account: account}
	b.Objects = s3.NewFromConfig(e.AWS)
	if b.Blobs, err = blobs3.New(b.Objects, blobs3.Options{Account: account, KMSKey: b.Key}); err != nil {
		return nil, err
	}
	b.STS = sts.NewFromConfig(e.AWS)
	b.Roles, err = credentials.New(e.AWS, b.STS)
	return b, err
}

// Runner returns the use cases that run actions with the providers that each of
// kinds makes, such as those of package sources.
func Runner(e entry.Environment, kinds ...func(*Bench) (catalog.Providers, error)) (*orchestrator.Service, error) {
	b, err := New(e)
	if err != nil {
		return nil, err
	}
	var all []catalog.Providers
	for _, kind := range kinds {
		some, err := kind(b)
		if err != nil {
			return nil, err
		}
		all = append(all, some)
	}
	return cloud.Service(e, orchestrator.Ports{Store: b.Store, Catalog: catalog.Of(all...)}, nil)
}

// Client returns what makes the clients of a job, each in the job's role.
func Client[T any](b *Bench, make func(aws.Config) T) credentials.Client[T] {
	return func(ctx context.Context, job action.Job) (T, error) {
		config, err := b.Roles.Config(ctx, job)
		if err != nil {
			var none T
			return none, err
		}
		return make(config), nil
	}
}

// Known returns the external id that was recorded for a job, "" if none.
func (b *Bench) Known(ctx context.Context, job action.Job) (string, error) {
	a, err := b.Records.Job(ctx, job.ID)
	if err != nil {
		return "", fmt.Errorf("what is recorded of action %s: %w", job.Action.Name, err)
	}
	return a.Result.ExternalID, nil
}

// EncryptionKey returns the key that a job's artifacts are encrypted with.
func (b *Bench) EncryptionKey(action.Job) string { return b.Key }
