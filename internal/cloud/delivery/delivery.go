// Package delivery is what the outbox is delivered through in an AWS account:
// Step Functions, the event bus, topics, and the queue of errands.
package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/sluice-ci/sluice/internal/bus"
	busaws "github.com/sluice-ci/sluice/internal/bus/aws"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/machine"
	machinesfn "github.com/sluice-ci/sluice/internal/machine/sfn"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
)

// Machine returns the state machines of the pipelines that r knows.
func Machine(e entry.Environment, r record.Reader) (machine.Machine, error) {
	return machinesfn.New(sfn.NewFromConfig(e.AWS), ARNs(r), Runs(r))
}

// ARNs returns the version of a state machine that a deployment registered for
// a version of a pipeline. One that never was, because the deployment had not
// got that far, is no machine.
func ARNs(r record.Reader) machinesfn.ARNs {
	return func(ctx context.Context, name string, version int) (string, error) {
		v, err := r.Version(ctx, name, version)
		if err == nil && v.Machine == "" {
			err = fmt.Errorf("%w: no deployment has registered one", machine.ErrNoMachine)
		}
		return v.Machine, err
	}
}

// Runs returns whose run it is. A run is named after its execution, with the
// attempt behind it. Without a machine there never was a run, whatever the
// records ask for.
func Runs(r record.Reader) machinesfn.Runs {
	return func(ctx context.Context, run string) (string, int, error) {
		id := run
		if i := strings.LastIndexByte(run, '-'); i > 0 {
			id = run[:i]
		}
		x, err := r.Execution(ctx, "", id)
		if pipeline.CodeOf(err) == pipeline.PipelineExecutionNotFound {
			return "", 0, nil
		}
		if err != nil {
			return "", 0, err
		}
		v, err := r.Version(ctx, x.Value.Pipeline, x.Value.Version)
		if err != nil || v.Machine == "" {
			return "", 0, err
		}
		return x.Value.Pipeline, x.Value.Version, nil
	}
}

// Bus returns the deployment's event bus and the topics of its account.
func Bus(e entry.Environment) (bus.Bus, error) {
	name := e.String("SLUICE_BUS")
	if err := e.Err(); err != nil {
		return nil, err
	}
	return busaws.New(eventbridge.NewFromConfig(e.AWS), sns.NewFromConfig(e.AWS), name)
}

// queue is what sending needs of *sqs.Client.
type queue interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Errands returns what hands errands to the function resume, through its queue.
func Errands(e entry.Environment) (func(context.Context, orchestrator.Errand) error, error) {
	url := e.String("SLUICE_QUEUE")
	if err := e.Err(); err != nil {
		return nil, err
	}
	return sender(sqs.NewFromConfig(e.AWS), url)
}

func sender(q queue, url string) (func(context.Context, orchestrator.Errand) error, error) {
	if q == nil || url == "" {
		return nil, errors.New("delivery.Errands: a queue is required")
	}
	return func(ctx context.Context, in orchestrator.Errand) error {
		body, err := json.Marshal(in)
		if err != nil {
			return err
		}
		_, err = q.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(body)), DelaySeconds: delay(time.Until(in.Due))})
		if err != nil {
			return fmt.Errorf("send the errand for action execution %s: %w", in.Job, err)
		}
		return nil
	}, nil
}

// maxDelay is how long a queue holds a message back at most.
const maxDelay = 15 * time.Minute

// delay returns wait in whole seconds, as a queue takes it. What is due later
// than a queue can wait comes too early, which the provider notices.
func delay(wait time.Duration) int32 {
	return int32((min(max(wait, 0), maxDelay) + time.Second - 1) / time.Second)
}
