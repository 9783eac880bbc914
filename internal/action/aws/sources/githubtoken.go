package sources

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/secret"
)

// readToken returns the token of a GitHub source. CloudFormation writes
// references to secrets as
//
//	{{resolve:secretsmanager:id:SecretString:json-key:version-stage:version-id}}
//	{{resolve:ssm-secure:name:version}}
//
// of which all behind the id or name may be left out. CloudFormation resolves
// them in its templates; the definition of a pipeline is none, so they are
// resolved here, when an action runs. No error holds a token.
func readToken(ctx context.Context, secrets credentials.Client[secret.Store], job action.Job) (string, error) {
	token := job.Action.Configuration["OAuthToken"]
	if ref, ok := strings.CutPrefix(token, "{{resolve:"); ok {
		ref, ok = strings.CutSuffix(ref, "}}")
		if !ok {
			return "", fault.Refuse(action.ConfigurationError, "OAuthToken of action %s begins like a reference to a secret and does not end with }}.", job.Action.Name)
		}
		var err error
		if token, err = resolve(ctx, secrets, job, ref); err != nil {
			return "", err
		}
		token = strings.TrimSpace(token)
	}
	switch {
	case strings.Trim(token, "*") == "":
		return "", fault.Refuse(action.ConfigurationError, "OAuthToken of action %s is masked or empty; write the token itself, or {{resolve:secretsmanager:NAME}}.", job.Action.Name)
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		return "", fault.Refuse(action.ConfigurationError, "OAuthToken of action %s holds characters that no token has. If its secret is a JSON object, name the key: {{resolve:secretsmanager:NAME:SecretString:KEY}}.", job.Action.Name)
	}
	return token, nil
}

// resolve reads what ref, service:rest, stands for.
func resolve(ctx context.Context, secrets credentials.Client[secret.Store], job action.Job, ref string) (string, error) {
	doing := "read the OAuthToken of action " + job.Action.Name
	service, rest, _ := strings.Cut(ref, ":")
	store, err := secrets(ctx, job)
	if err != nil {
		return "", fault.Of(doing, err)
	}
	var value string
	switch service {
	case "secretsmanager":
		if ref, err = secretRef(rest); err == nil {
			value, err = store.Secret(ctx, ref)
		}
	case "ssm-secure", "ssm":
		value, err = store.Parameter(ctx, rest)
	default:
		err = fault.Refuse(action.ConfigurationError, "Could not %s: it refers to %.50q; only secretsmanager, ssm-secure and ssm can be resolved.", doing, service)
	}
	return value, unread(doing, err)
}

// unread says what it means that a secret could not be read. An error that is
// neither AWS's answer nor the network's says that the secret, or the part of it
// that was asked for, is not there.
func unread(doing string, err error) error {
	_, network := errors.AsType[net.Error](err)
	_, call := errors.AsType[*smithy.OperationError](err)
	switch {
	case err == nil:
		return nil
	case fault.Code(err) == "" && !network && !call && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
		return fault.Refuse(action.ConfigurationError, "Could not %s: %v.", doing, err)
	}
	return fault.Of(doing, err)
}

// secretRef returns a reference of CloudFormation's as the store of secrets
// takes it: without the third part, which says only that the value is text.
func secretRef(ref string) (string, error) {
	n := 1
	if strings.HasPrefix(ref, "arn:") {
		n = 7
	}
	parts := strings.Split(ref, ":")
	if len(parts) <= n {
		return ref, nil
	}
	if what := parts[n]; what != "" && what != "SecretString" {
		return "", fmt.Errorf("secret %.100q: behind its id comes SecretString, not %.50q", strings.Join(parts[:n], ":"), what)
	}
	return strings.Join(append(parts[:n:n], parts[n+1:]...), ":"), nil
}
