// Package aws is the store of secrets in an AWS account: Secrets Manager and
// Parameter Store, asked each time. Nothing is kept here, so a value that was
// rotated is used by the next action.
package aws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"github.com/sluice-ci/sluice/internal/secret"
)

// Secrets is what the store needs of *secretsmanager.Client.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// Parameters is what the store needs of *ssm.Client.
type Parameters interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// Store reads secrets and parameters of the account and region of its clients;
// an ARN may name a secret elsewhere.
type Store struct {
	secrets    Secrets
	parameters Parameters
}

var _ secret.Store = (*Store)(nil)

// New returns a store that asks secrets and parameters.
func New(secrets Secrets, parameters Parameters) (*Store, error) {
	if secrets == nil || parameters == nil {
		return nil, errors.New("aws.New: clients of Secrets Manager and of Parameter Store are required")
	}
	return &Store{secrets, parameters}, nil
}

// Secret implements secret.Store.
func (s *Store) Secret(ctx context.Context, ref string) (string, error) {
	r, err := secret.ParseRef(ref)
	if err != nil {
		return "", err
	}
	out, err := s.secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{
		SecretId: &r.ID, VersionStage: optional(r.VersionStage), VersionId: optional(r.VersionID),
	})
	if err != nil {
		return "", fmt.Errorf("%s: %w", describe(r), translate(err))
	}
	if out.SecretString == nil {
		return "", fmt.Errorf("%s is binary, and only text can be used", describe(r))
	}
	if r.JSONKey == "" {
		return *out.SecretString, nil
	}
	return part(r, *out.SecretString)
}

// part returns the value of r's key in text, which is a JSON object. An error
// of the decoder would quote the secret, so it is not passed on.
func part(r secret.Ref, text string) (string, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &fields); err != nil {
		return "", fmt.Errorf("%s has no key %q: it is no JSON object", describe(r), r.JSONKey)
	}
	raw, ok := fields[r.JSONKey]
	if !ok || string(raw) == "null" {
		return "", fmt.Errorf("%s has no key %q", describe(r), r.JSONKey)
	}
	var value string
	if json.Unmarshal(raw, &value) == nil {
		return value, nil
	}
	return string(raw), nil // a number stays as it was written
}

// Parameter implements secret.Store.
func (s *Store) Parameter(ctx context.Context, name string) (string, error) {
	if name == "" {
		return "", errors.New("a parameter without a name was asked for")
	}
	out, err := s.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)})
	if err != nil {
		return "", fmt.Errorf("parameter %s: %w", name, translate(err))
	}
	if out.Parameter == nil || out.Parameter.Value == nil {
		return "", fmt.Errorf("parameter %s has no value", name)
	}
	return *out.Parameter.Value, nil
}

// describe returns what was sought, as an error says it.
func describe(r secret.Ref) string {
	switch {
	case r.VersionID != "":
		return fmt.Sprintf("secret %s, version %s", r.ID, r.VersionID)
	case r.VersionStage != "":
		return fmt.Sprintf("secret %s, version stage %s", r.ID, r.VersionStage)
	}
	return "secret " + r.ID
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
