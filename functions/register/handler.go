package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/sluice-ci/sluice/events"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// deployer is what this function needs of *orchestrator.Service.
type deployer interface {
	Deploy(ctx context.Context, in orchestrator.Deployment) (orchestrator.Deployed, error)
	DeletePipeline(ctx context.Context, name, by string) error
}

// reader is what it needs of record.Reader.
type reader interface {
	Latest(ctx context.Context, name string) (record.Versioned[record.Pipeline], record.Version, error)
}

// assets is what it needs of *s3.Client.
type assets interface {
	GetObject(context.Context, *s3.GetObjectInput, ...func(*s3.Options)) (*s3.GetObjectOutput, error)
}

// artifacts is where the artifacts of pipelines go that do not say it.
type artifacts struct{ Bucket, Key string }

// fill writes into d where its artifacts go, if they go there: the bucket when
// d names none, and the key that encrypts what is put there.
func (a artifacts) fill(d *pipeline.Declaration) {
	if d.ArtifactStore == nil && len(d.ArtifactStores) == 0 {
		d.ArtifactStore = &pipeline.ArtifactStore{Type: "S3", Location: a.Bucket}
	}
	if s := d.ArtifactStore; s != nil && s.Location == a.Bucket && s.EncryptionKey == nil {
		s.EncryptionKey = &pipeline.EncryptionKey{ID: a.Key, Type: "KMS"}
	}
}

type registrar struct {
	svc     deployer
	records reader
	assets  assets
	account string
	store   artifacts
}

// failed begins the physical id of a resource that registered nothing. It is no
// name of a pipeline, so the deletion that follows deletes none.
const failed = "failed:"

// handler answers CloudFormation in every case, so that no deployment waits an
// hour for a resource that has failed.
func (r registrar) handler(log *slog.Logger) entry.Handler {
	respond := cfn.LambdaWrap(func(ctx context.Context, ev cfn.Event) (string, map[string]any, error) {
		id, err := r.handle(ctx, ev)
		if err != nil {
			log.ErrorContext(ctx, "not registered", "resource", ev.LogicalResourceID, "stack", ev.StackID, "err", err)
			err = errors.New(short(err.Error()))
		}
		return id, nil, err
	})
	return func(ctx context.Context, payload []byte) (any, error) {
		ev, err := entry.DecodeOpen[cfn.Event]("request of CloudFormation", payload)
		if err != nil {
			return nil, err
		}
		return respond(ctx, ev)
	}
}

// handle does what CloudFormation asks and returns the resource's physical id,
// which is the name of its pipeline.
func (r registrar) handle(ctx context.Context, ev cfn.Event) (string, error) {
	if ev.RequestType == cfn.RequestDelete && strings.HasPrefix(ev.PhysicalResourceID, failed) {
		return ev.PhysicalResourceID, nil
	}
	in, err := properties(ev)
	switch {
	case err != nil:
	case ev.RequestType == cfn.RequestDelete:
		return ev.PhysicalResourceID, r.remove(ctx, ev.PhysicalResourceID, in, ev.StackID)
	case ev.RequestType == cfn.RequestCreate, ev.RequestType == cfn.RequestUpdate:
		var name string
		if name, err = r.deploy(ctx, in, ev.StackID); name != "" {
			return name, err
		}
	default:
		err = fmt.Errorf("request type %q is none of Create, Update, Delete", ev.RequestType)
	}
	if ev.RequestType == cfn.RequestCreate {
		return failed + ev.RequestID, err
	}
	return ev.PhysicalResourceID, err
}

// properties reads the properties of the resource strictly. ServiceTimeout is
// CloudFormation's own.
func properties(ev cfn.Event) (events.Registration, error) {
	all := map[string]any{}
	for name, value := range ev.ResourceProperties {
		if name != "ServiceTimeout" {
			all[name] = value
		}
	}
	text, err := json.Marshal(all)
	if err != nil {
		return events.Registration{}, err
	}
	return entry.Decode[events.Registration]("properties of the resource "+ev.LogicalResourceID, text)
}

// deploy registers a pipeline and returns its name, "" if nothing of it is.
func (r registrar) deploy(ctx context.Context, in events.Registration, by string) (string, error) {
	d, err := r.declaration(ctx, in.Definition)
	if err != nil {
		return "", err
	}
	r.store.fill(&d)
	done, err := r.svc.Deploy(ctx, orchestrator.Deployment{Declaration: d, Home: record.Home{Machine: in.Machine, Role: in.Role}, By: by})
	if err != nil && done == orchestrator.Unchanged {
		return "", err
	}
	return d.Name, err
}

// maxDefinition is how large a definition may be: as one of the API.
const maxDefinition = 5 << 20

// declaration reads an asset that the deployment put there.
func (r registrar) declaration(ctx context.Context, at events.Asset) (pipeline.Declaration, error) {
	out, err := r.assets.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.Bucket, Key: &at.Key, ExpectedBucketOwner: &r.account})
	if err != nil {
		return pipeline.Declaration{}, fmt.Errorf("read definition s3://%s/%s: %w", at.Bucket, at.Key, err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(io.LimitReader(out.Body, maxDefinition+1))
	if err != nil {
		return pipeline.Declaration{}, fmt.Errorf("read definition s3://%s/%s: %w", at.Bucket, at.Key, err)
	}
	if len(text) > maxDefinition {
		return pipeline.Declaration{}, fmt.Errorf("definition s3://%s/%s is larger than %d bytes", at.Bucket, at.Key, maxDefinition)
	}
	return parse(at, text)
}

// parse reads the text of a declaration strictly. Whether it is lawful is for
// Deploy to say.
func parse(at events.Asset, text []byte) (d pipeline.Declaration, err error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err = decoder.Decode(&d); err != nil {
		err = fmt.Errorf("definition s3://%s/%s: %w", at.Bucket, at.Key, err)
	}
	return d, err
}

// remove deletes a pipeline unless another resource has registered it since:
// one that moved to another stack or name is deleted where it was last.
func (r registrar) remove(ctx context.Context, name string, in events.Registration, by string) error {
	_, v, err := r.records.Latest(ctx, name)
	if pipeline.CodeOf(err) == pipeline.PipelineNotFound {
		return nil
	}
	if err != nil || v.Machine != in.Machine {
		return err
	}
	return r.svc.DeletePipeline(ctx, name, by)
}

// maxReason is how many bytes of a reason CloudFormation is told; its whole
// answer may have 4,096.
const maxReason = 2000

func short(reason string) string {
	if len(reason) > maxReason {
		return strings.ToValidUTF8(reason[:maxReason], "") + " ... the log has all of it"
	}
	return reason
}
