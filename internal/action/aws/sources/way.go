package sources

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/egress"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
)

// A connection is what its ARN says.
type connection struct {
	arn     string
	service string // codestar-connections, or its later name codeconnections
	region  string
	account string
	id      string
}

var (
	connectionARN = regexp.MustCompile(`^arn:aws[a-z-]*:(codestar-connections|codeconnections):([a-z0-9-]{1,32}):([0-9]{12}):connection/([A-Za-z0-9-]{1,64})$`)

	// A name of a repository becomes part of a path that is signed; these
	// characters are the same in either.
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)+$`)
)

// parseConnection reads an ARN. What it returns names no host but AWS's.
func parseConnection(arn string) (connection, error) {
	m := connectionARN.FindStringSubmatch(arn)
	if m == nil {
		return connection{}, fault.Refuse(action.ConfigurationError, "ConnectionArn %.300q is no ARN of a connection (arn:aws:codeconnections:region:account:connection/id).", arn)
	}
	return connection{arn, m[1], m[2], m[3], m[4]}, nil
}

// host is the name of the service's endpoint.
func (c connection) host() string { return c.service + "." + c.region + "." + domain(c.region) }

// path is where the endpoint passes git's protocol on.
func (c connection) path(repository string) (string, error) {
	ok := repositoryName.MatchString(repository)
	for part := range strings.SplitSeq(repository, "/") {
		ok = ok && part != "." && part != ".."
	}
	if !ok {
		return "", fault.Refuse(action.ConfigurationError, "FullRepositoryId %.200q is no owner and repository, as in acme/web, of letters, digits, and the characters _ . ~ -", repository)
	}
	return fmt.Sprintf("/git-http/%s/%s/%s/%s.git", c.account, c.region, c.id, strings.TrimSuffix(repository, ".git")), nil
}

// page is where the console shows a commit: it sends on to the host's page.
func (c connection) page(repository, commit string) string {
	return fmt.Sprintf("%s/codesuite/settings/connections/redirect?connectionArn=%s&referenceType=COMMIT&FullRepositoryId=%s&Commit=%s",
		fault.Console(c.region), url.QueryEscape(c.arn), url.QueryEscape(repository), commit)
}

// A way is what leads from a job to its repository.
type way struct {
	connection connection
	repository string
	client     *http.Client
	endpoint   string // scheme and host
	config     aws.Config
	remote     *githttp.Remote
}

// open finds the way of a job.
func (s connected) open(ctx context.Context, job action.Job) (*way, error) {
	c, err := parseConnection(job.Action.Configuration["ConnectionArn"])
	if err != nil {
		return nil, err
	}
	repository := job.Action.Configuration["FullRepositoryId"]
	path, err := c.path(repository)
	if err != nil {
		return nil, err
	}
	config, err := s.config(ctx, job)
	if err != nil {
		return nil, fault.Of("call as the role of action "+job.Action.Name, err)
	}
	if config.Credentials == nil {
		return nil, fmt.Errorf("action %s: there are no credentials to sign requests with", job.Action.Name)
	}
	endpoint, hosts := "https://"+c.host(), egress.Hosts{Inside: []string{c.host()}}
	if given := aws.ToString(config.BaseEndpoint); given != "" {
		u, err := url.Parse(given)
		if err != nil || u.Host == "" {
			return nil, fmt.Errorf("base endpoint %q: no URL with a host (%v)", given, err)
		}
		endpoint, hosts = u.Scheme+"://"+u.Host, egress.Hosts{Given: []string{u.Host}}
	}
	w := &way{connection: c, repository: repository, client: egress.New(hosts), endpoint: endpoint, config: config}
	w.remote = &githttp.Remote{URL: endpoint + path, Client: w.client, Login: func(ctx context.Context) (string, string, error) {
		keys, err := config.Credentials.Retrieve(ctx)
		if err != nil {
			return "", "", err
		}
		name, password := gitLogin(keys, c.region, w.remote.URL, time.Now())
		return name, password, nil
	}}
	return w, nil
}

// failed says what it means that something could not be done. absent is the
// failure type of what is not there. It passes nil and refusals on.
func (w *way) failed(doing, absent string, err error) error {
	if _, refused := errors.AsType[*fault.Refusal](err); err == nil || refused {
		return err
	}
	switch {
	case errors.Is(err, githttp.ErrDenied):
		return fault.Refuse(action.PermissionError, "Unable to use Connection: %s. The provided role does not have sufficient permissions: it needs %s:UseConnection. Could not %s: %v.", w.connection.arn, w.connection.service, doing, err)
	case errors.Is(err, githttp.ErrUnknown):
		return fault.Refuse(absent, "Could not %s: %v. Make sure that it is there, and that the connection was given access to it.", doing, err)
	case errors.Is(err, githttp.ErrLimit):
		return fault.Refuse(action.JobFailed, "Could not %s: %v. %s", doing, err, cloneInstead)
	case errors.Is(err, errUnsafe):
		return fault.Refuse(action.RevisionUnavailable, "Could not %s. It holds %v.", doing, err)
	case errors.Is(err, githttp.ErrUnsupported), errors.Is(err, egress.ErrRefused):
		return fault.Refuse(action.JobFailed, "Could not %s: %v.", doing, err)
	}
	if _, api := errors.AsType[smithy.APIError](err); api { // the role could not be assumed
		return fault.Of(doing, err)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
