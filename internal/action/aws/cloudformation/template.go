package cloudformation

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/whole"
)

const (
	maxBody     = 51_200    // bytes of a template within a call
	maxTemplate = 1_000_000 // bytes of a template behind a URL
	maxFile     = 1_000_000 // bytes of a file that is read from an artifact
	maxArtifact = 256 << 20 // bytes of an artifact a file is read from
)

// material is what a stack is made of.
type material struct {
	body, url  *string // one of them
	parameters []types.Parameter
	tags       []types.Tag
	policy     *string
}

// A configuration is a template configuration file (reference 5.4).
type configuration struct {
	Parameters  map[string]json.RawMessage
	Tags        map[string]string
	StackPolicy json.RawMessage
}

func (d *deployment) material(ctx context.Context) (material, error) {
	var m material
	conf := d.job.Action.Configuration
	template, err := d.file(ctx, "TemplatePath", conf["TemplatePath"], maxTemplate)
	if err != nil {
		return m, err
	}
	if err := d.hand(ctx, &m, template); err != nil {
		return m, err
	}
	var c configuration
	if place := conf["TemplateConfiguration"]; place != "" {
		text, err := d.file(ctx, "TemplateConfiguration", place, maxFile)
		if err != nil {
			return m, err
		}
		if err := json.Unmarshal(text, &c); err != nil {
			return m, fault.Refuse(action.ConfigurationError, "TemplateConfiguration %s: %v; it has to be a JSON object with Parameters, Tags and StackPolicy", place, err)
		}
	}
	if text := conf["ParameterOverrides"]; text != "" {
		overrides := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(text), &overrides); err != nil {
			return m, fault.Refuse(action.ConfigurationError, "ParameterOverrides: %v; it has to be a JSON object", err)
		}
		if c.Parameters == nil {
			c.Parameters = overrides
		}
		maps.Copy(c.Parameters, overrides)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Parameters)) {
		value, err := d.value(ctx, name, c.Parameters[name])
		if err != nil {
			return m, err
		}
		m.parameters = append(m.parameters, types.Parameter{ParameterKey: &name, ParameterValue: &value})
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tags)) {
		m.tags = append(m.tags, types.Tag{Key: &key, Value: aws.String(c.Tags[key])})
	}
	if policy := string(c.StackPolicy); policy != "" && policy != "null" {
		m.policy = &policy
	}
	return m, nil
}

// hand decides how the template gets to CloudFormation.
func (d *deployment) hand(ctx context.Context, m *material, template []byte) error {
	if len(template) <= maxBody {
		m.body = aws.String(string(template))
		return nil
	}
	if d.provider.opts.TemplateURL == nil {
		return fault.Refuse(action.ConfigurationError, "Template %s has %d bytes. Templates of more than %d bytes have to be handed over by URL, and no place for that is set up.", d.job.Action.Configuration["TemplatePath"], len(template), maxBody)
	}
	place, err := d.provider.opts.TemplateURL(ctx, d.job, template)
	if err != nil {
		return fault.Of("hand over the template by URL", err)
	}
	m.url = &place
	return nil
}

// file returns the file at a place, Artifact::path, that key names.
func (d *deployment) file(ctx context.Context, key, place string, limit int64) ([]byte, error) {
	name, file, err := fault.Split(key, place)
	if err != nil {
		return nil, err
	}
	return d.fileOf(ctx, name, file, limit)
}

func (d *deployment) fileOf(ctx context.Context, name, file string, limit int64) ([]byte, error) {
	in, err := fault.Input(d.job, name)
	if err != nil {
		return nil, err
	}
	if in.Ref.Size > maxArtifact {
		return nil, fault.Refuse(action.ConfigurationError, "Artifact %s has %d bytes; CloudFormation actions take at most %d", name, in.Ref.Size, maxArtifact)
	}
	return fault.ReadFile(ctx, d.provider.blobs, in, file, limit)
}

// value returns the value of a parameter: a string, or what a function gives.
func (d *deployment) value(ctx context.Context, name string, raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil && string(raw) != "null" {
		return text, nil
	}
	var call map[string][]string
	if json.Unmarshal(raw, &call) == nil && len(call) == 1 {
		for function, args := range call {
			switch {
			case function == "Fn::GetArtifactAtt" && len(args) == 2:
				return d.artifactAttribute(args[0], args[1])
			case function == "Fn::GetParam" && len(args) == 3:
				return d.param(ctx, args[0], args[1], args[2])
			}
		}
	}
	return "", fault.Refuse(action.ConfigurationError, `Parameter %s is %s; it has to be a string, {"Fn::GetArtifactAtt": ["artifact", "attribute"]} or {"Fn::GetParam": ["artifact", "file", "key"]}`, name, raw)
}

func (d *deployment) artifactAttribute(name, attribute string) (string, error) {
	in, err := fault.Input(d.job, name)
	if err != nil {
		return "", err
	}
	switch attribute {
	case "BucketName":
		return in.Ref.Bucket, nil
	case "ObjectKey":
		return in.Ref.Key, nil
	case "URL":
		domain := "amazonaws.com"
		if strings.HasPrefix(d.job.Region, "cn-") {
			domain += ".cn"
		}
		return (&url.URL{Scheme: "https", Host: "s3." + d.job.Region + "." + domain, Path: "/" + in.Ref.Bucket + "/" + in.Ref.Key}).String(), nil
	}
	return "", fault.Refuse(action.ConfigurationError, "Fn::GetArtifactAtt has no attribute %q; the attributes of artifact %s are BucketName, ObjectKey and URL", attribute, name)
}

func (d *deployment) param(ctx context.Context, name, file, key string) (string, error) {
	text, err := d.fileOf(ctx, name, file, maxFile)
	if err != nil {
		return "", err
	}
	var values map[string]any
	if err := json.Unmarshal(text, &values); err != nil {
		return "", fault.Refuse(action.ConfigurationError, "Fn::GetParam: file %s of artifact %s is no JSON object: %v", file, name, err)
	}
	value, ok := values[key].(string)
	if !ok {
		return "", fault.Refuse(action.ConfigurationError, "Fn::GetParam: file %s of artifact %s has no string %q at its top; it has %s", file, name, key, strings.Join(slices.Sorted(maps.Keys(values)), ", "))
	}
	return value, nil
}

// writeOutputs writes the outputs of the stack as the job's artifact, if it
// has one.
func (d *deployment) writeOutputs(ctx context.Context, outputs map[string]string) ([]action.Artifact, error) {
	if d.output == "" {
		return nil, nil
	}
	text, err := json.MarshalIndent(outputs, "", "  ")
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	w, err := z.CreateHeader(&zip.FileHeader{Name: d.output, Method: zip.Deflate})
	if err != nil {
		return nil, fmt.Errorf("artifact %s: %w", d.job.Outputs[0].Name, err)
	}
	if _, err := w.Write(append(text, '\n')); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	out, err := whole.PutBytes(ctx, d.provider.blobs, d.job.Outputs[0], buf.Bytes())
	return []action.Artifact{out}, err
}
