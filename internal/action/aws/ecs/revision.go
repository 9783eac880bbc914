package ecs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// The tags of the revision that a job registers.
const (
	tagJob = "sluice:job"
	tagEnd = "sluice:end" // failure type, or Succeeded, and what there is to say
)

const (
	maxImages  = 100_000 // bytes of imagedefinitions.json
	maxLooks   = 200     // revisions that are looked at for the job's
	maxTag     = 256     // characters of the value of a tag
	endSuccess = "Succeeded"
)

// A revision is the one of the task definition that the job registered.
type revision struct {
	arn        string
	registered time.Time
	tags       map[string]string
}

// name returns family:revision.
func (r *revision) name() string { return nameOf(r.arn) }

// describeRevision returns a task definition with its tags, or nil if there is
// none of that name.
func (d *deployment) describeRevision(ctx context.Context, name string) (*ecs.DescribeTaskDefinitionOutput, error) {
	out, err := d.client.DescribeTaskDefinition(ctx, &ecs.DescribeTaskDefinitionInput{TaskDefinition: &name, Include: []types.TaskDefinitionField{types.TaskDefinitionFieldTags}})
	if fault.Code(err) == "ClientException" {
		return nil, nil
	}
	return out, fault.Of("describe task definition "+name, err)
}

// find returns the revision of family that the job registered, or nil if there
// is none: the oldest, if several processes have registered one. It looks from
// the newest back to the time before the job.
func (d *deployment) find(ctx context.Context, family string) (*revision, error) {
	newest, err := d.describeRevision(ctx, family)
	if err != nil || newest == nil {
		return nil, err
	}
	var found *revision
	before := fault.Before(d.job)
	out := newest
	for n := newest.TaskDefinition.Revision; n > 0 && n > newest.TaskDefinition.Revision-maxLooks; n-- {
		if out == nil || out.TaskDefinition.Revision != n {
			if out, err = d.describeRevision(ctx, fmt.Sprintf("%s:%d", family, n)); err != nil {
				return nil, err
			}
		}
		if out == nil { // deleted
			continue
		}
		rev := revisionOf(out.TaskDefinition, out.Tags)
		if out.TaskDefinition.RegisteredAt != nil && rev.registered.Before(before) {
			break
		}
		if rev.tags[tagJob] == d.job.ID {
			found = rev
		}
	}
	return found, nil
}

func revisionOf(def *types.TaskDefinition, tags []types.Tag) *revision {
	rev := &revision{arn: aws.ToString(def.TaskDefinitionArn), registered: aws.ToTime(def.RegisteredAt), tags: make(map[string]string)}
	for _, tag := range tags {
		rev.tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	return rev
}

// register registers the job's revision: the service's with other images.
func (d *deployment) register(ctx context.Context, service *types.Service) (*revision, error) {
	base, err := d.describeRevision(ctx, aws.ToString(service.TaskDefinition))
	if err != nil {
		return nil, err
	}
	if base == nil {
		return nil, fault.Refuse(action.ConfigurationError, "Task definition %s of service %s does not exist", nameOf(aws.ToString(service.TaskDefinition)), d.service)
	}
	in, err := d.next(ctx, base)
	if err != nil {
		return nil, err
	}
	out, err := d.client.RegisterTaskDefinition(ctx, in)
	if err != nil {
		return nil, fault.Of("register a revision of task definition "+aws.ToString(in.Family), err)
	}
	first, err := d.find(ctx, aws.ToString(in.Family)) // another process may have been faster
	if err != nil || first != nil {
		return first, err
	}
	return revisionOf(out.TaskDefinition, in.Tags), nil
}

// next returns the revision that is to follow base.
func (d *deployment) next(ctx context.Context, base *ecs.DescribeTaskDefinitionOutput) (*ecs.RegisterTaskDefinitionInput, error) {
	images, err := d.images(ctx)
	if err != nil {
		return nil, err
	}
	def := base.TaskDefinition
	containers := slices.Clone(def.ContainerDefinitions)
	var names []string
	for i := range containers {
		name := aws.ToString(containers[i].Name)
		names = append(names, name)
		if image, ok := images[name]; ok {
			containers[i].Image = &image
			delete(images, name)
		}
	}
	for unknown := range images {
		return nil, fault.Refuse(action.ConfigurationError, "File %s of artifact %s names the container %q, which task definition %s of service %s does not have. It has: %s",
			d.file, d.job.Inputs[0].Name, unknown, nameOf(aws.ToString(def.TaskDefinitionArn)), d.service, strings.Join(names, ", "))
	}
	tags := slices.DeleteFunc(slices.Clone(base.Tags), func(t types.Tag) bool {
		key := aws.ToString(t.Key)
		return key == tagJob || key == tagEnd || strings.HasPrefix(strings.ToLower(key), "aws:")
	})
	return &ecs.RegisterTaskDefinitionInput{
		Family: def.Family, ContainerDefinitions: containers, Cpu: def.Cpu, EnableFaultInjection: def.EnableFaultInjection,
		EphemeralStorage: def.EphemeralStorage, ExecutionRoleArn: def.ExecutionRoleArn,
		IpcMode: def.IpcMode, Memory: def.Memory, NetworkMode: def.NetworkMode, PidMode: def.PidMode, PlacementConstraints: def.PlacementConstraints,
		ProxyConfiguration: def.ProxyConfiguration, RequiresCompatibilities: def.RequiresCompatibilities, RuntimePlatform: def.RuntimePlatform,
		TaskRoleArn: def.TaskRoleArn, Volumes: def.Volumes,
		Tags: append(tags, types.Tag{Key: aws.String(tagJob), Value: &d.job.ID}),
	}, nil
}

// images returns the images of the job's artifact, by container.
func (d *deployment) images(ctx context.Context) (map[string]string, error) {
	text, err := fault.ReadFile(ctx, d.blobs, d.job.Inputs[0], d.file, maxImages)
	if err != nil {
		return nil, err
	}
	var list []struct{ Name, ImageURI string }
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fault.Refuse(action.ConfigurationError, `File %s of artifact %s: %v; it has to be like [{"name":"container","imageUri":"image"}]`, d.file, d.job.Inputs[0].Name, err)
	}
	images := make(map[string]string)
	for i, entry := range list {
		if entry.Name == "" || entry.ImageURI == "" {
			return nil, fault.Refuse(action.ConfigurationError, "File %s of artifact %s: entry %d needs a name, which is %q, and an imageUri, which is %q", d.file, d.job.Inputs[0].Name, i+1, entry.Name, entry.ImageURI)
		}
		images[entry.Name] = entry.ImageURI
	}
	if len(images) == 0 {
		return nil, fault.Refuse(action.ConfigurationError, "File %s of artifact %s names no container", d.file, d.job.Inputs[0].Name)
	}
	return images, nil
}

// end records how the job ended. kind is a failure type, or "" for success.
func (d *deployment) end(ctx context.Context, rev *revision, kind, message string) (action.Result, error) {
	value := tagText(strings.TrimSpace(kind + " " + message))
	if kind == "" {
		value = endSuccess
	}
	_, err := d.client.TagResource(ctx, &ecs.TagResourceInput{ResourceArn: &rev.arn, Tags: []types.Tag{{Key: aws.String(tagEnd), Value: &value}}})
	if err != nil {
		return action.Result{}, fault.Of("tag task definition "+rev.name(), err)
	}
	rev.tags[tagEnd] = value
	r, _ := d.recorded(rev)
	return r, nil
}

// recorded returns the end that was recorded in rev.
func (d *deployment) recorded(rev *revision) (r action.Result, ended bool) {
	kind, message, _ := strings.Cut(rev.tags[tagEnd], " ")
	switch kind {
	case "":
		return r, false
	case endSuccess:
		r = action.Result{Status: pipeline.Succeeded, Summary: fmt.Sprintf("Service %s runs %s", d.service, rev.name())}
	case action.Timeout:
		r = fault.TimedOut(d.job, strings.TrimSpace("The deployment was not stopped. "+message))
	default:
		r = action.Fail(kind, message)
	}
	d.identify(&r, rev)
	return r, true
}

// tagText returns text as the value of a tag, which may have few signs.
func tagText(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("+-=._:/@", r)
	}), " ")
	if runes := []rune(text); len(runes) > maxTag {
		text = strings.TrimSpace(string(runes[:maxTag]))
	}
	return text
}
