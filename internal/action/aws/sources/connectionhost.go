package sources

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
)

// A host is what a connection leads to. It is zero if the role may use the
// connection but not look at it.
type host struct {
	ProviderType     string // GitHub, GitLab, Bitbucket, ...
	ConnectionStatus string
	HostArn          string // of a host that somebody installed himself
}

// about asks what the connection leads to. One that is not ready is refused.
func (w *way) about(ctx context.Context) (host, error) {
	var answer struct{ Connection host }
	err := w.call(ctx, "GetConnection", map[string]string{"ConnectionArn": w.connection.arn}, &answer)
	if err != nil && fault.Type(err) == action.PermissionError {
		return host{}, nil
	}
	if err != nil {
		return host{}, fault.Of("look at connection "+w.connection.arn, err)
	}
	if status := answer.Connection.ConnectionStatus; status != "" && status != "AVAILABLE" {
		return host{}, fault.Refuse(action.ConfigurationError, "Connection %s is %s and not AVAILABLE. Complete it in the console, under Developer Tools, Connections.", w.connection.arn, status)
	}
	return answer.Connection, nil
}

// cloned are the types of sources that CodeBuild clones through a connection, by what the
// connection leads to, and where repositories are that are not on somebody's
// own host.
var cloned = map[string]struct{ source, base string }{
	"Bitbucket":              {"BITBUCKET", "https://bitbucket.org"},
	"GitHub":                 {"GITHUB", "https://github.com"},
	"GitHubEnterpriseServer": {"GITHUB_ENTERPRISE", ""},
	"GitLab":                 {"GITLAB", "https://gitlab.com"},
	"GitLabSelfManaged":      {"GITLAB_SELF_MANAGED", ""},
}

// pointer says where a build clones the repository from.
func (w *way) pointer(ctx context.Context, h host, commit githttp.Commit, branch string) (CloneRef, error) {
	if h.ProviderType == "" {
		return CloneRef{}, fault.Refuse(action.PermissionError, "What connection %s leads to is not known, which a build has to know that clones through it. The role needs %s:GetConnection.", w.connection.arn, w.connection.service)
	}
	t, ok := cloned[h.ProviderType]
	if !ok {
		return CloneRef{}, fault.Refuse(action.ConfigurationError, "A build cannot clone from %s; use OutputArtifactFormat CODE_ZIP.", h.ProviderType)
	}
	if t.base == "" {
		var answer struct{ ProviderEndpoint string }
		if err := w.call(ctx, "GetHost", map[string]string{"HostArn": h.HostArn}, &answer); err != nil {
			return CloneRef{}, fault.Of("find the host of connection "+w.connection.arn, err)
		}
		t.base = strings.TrimRight(answer.ProviderEndpoint, "/")
	}
	return CloneRef{Type: t.source, URL: t.base + "/" + strings.TrimSuffix(w.repository, ".git") + ".git", Commit: commit.ID.String(), Branch: branch, Connection: w.connection.arn}, nil
}

// targets are the names of the service's protocol, in front of an operation.
var targets = map[string]string{
	"codestar-connections": "com.amazonaws.codestar.connections.CodeStar_connections_20191201",
	"codeconnections":      "com.amazonaws.codeconnections.CodeConnections_20231201",
}

// maxAnswer is the most bytes of an answer that are read.
const maxAnswer = 1 << 20

// call calls an operation of the connection's service. The service has two
// names and two SDKs for the same three words, of which this needs two.
func (w *way) call(ctx context.Context, operation string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.0")
	req.Header.Set("X-Amz-Target", targets[w.connection.service]+"."+operation)
	keys, err := w.config.Credentials.Retrieve(ctx)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(ctx, keys, req, hex.EncodeToString(sum[:]), w.connection.service, w.connection.region, time.Now()); err != nil {
		return err
	}
	answer, err := w.client.Do(req)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return refusal(answer.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// refusal returns the error that an answer is, as the SDK would.
func refusal(status int, text []byte) error {
	var said struct {
		Type    string `json:"__type"`
		Message string // or message
	}
	if json.Unmarshal(text, &said) != nil || said.Type == "" || status >= 500 {
		return fmt.Errorf("HTTP status %d: %.300q", status, text)
	}
	code := said.Type[strings.LastIndexByte(said.Type, '#')+1:] // a namespace may stand in front
	return &smithy.GenericAPIError{Code: code, Message: said.Message, Fault: smithy.FaultClient}
}
