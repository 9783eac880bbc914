package standin

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sluice-ci/sluice/internal/awstest"
)

// Region and Account are where everything is deployed.
const (
	Region  = awstest.Region
	Account = awstest.Account
)

// A Standin is one AWS account on loopback. Its methods may be called at any
// time and by many at once.
type Standin struct {
	t     testing.TB
	dir   string // of this stand-in: code of functions, logs
	front *front
	moto  *moto
	host  *host
	calls *journal
	keys  *keyring
	doors *doors

	bootstrap      sync.Mutex
	isBootstrapped bool // guarded by bootstrap
}

// Start starts an account with nothing in it and ends it, functions and all,
// when the test ends. It skips the test where moto is not installed, unless
// SLUICE_NEED_MOTO is set: then it fails.
func Start(t testing.TB) *Standin {
	t.Helper()
	python := needMoto(t)
	s := &Standin{t: t, dir: t.TempDir(), calls: newJournal()}
	s.front = newFront(s)
	t.Cleanup(s.front.close)
	m, err := startMoto(python, s.front.port(), s.dir)
	if err != nil {
		t.Fatal(err)
	}
	s.moto = m
	t.Cleanup(s.reportMoto)
	t.Cleanup(m.stop)
	s.host = newHost(s)
	t.Cleanup(s.host.close)
	s.keys = &keyring{ask: s.direct(), known: map[string]string{}}
	s.doors = newDoors(s)
	t.Cleanup(s.doors.close)
	s.front.open()
	return s
}

// URL returns the address that every service answers at.
func (s *Standin) URL() string { return s.front.url() }

// Env returns an environment, as in os.Environ, in which the AWS CLI, the CDK
// and SDK clients talk to s as the person who deploys.
func (s *Standin) Env() []string {
	named := strings.Replace(s.URL(), "127.0.0.1", "localhost", 1) // the CDK puts buckets before it, and moto looks for it in template URLs
	return []string{
		"AWS_ENDPOINT_URL=" + named,
		"AWS_ENDPOINT_URL_S3=" + named,
		"AWS_ACCESS_KEY_ID=" + personKey,
		"AWS_SECRET_ACCESS_KEY=" + secretKey,
		"AWS_REGION=" + Region,
		"AWS_DEFAULT_REGION=" + Region,
		"AWS_EC2_METADATA_DISABLED=true",
		"AWS_CONFIG_FILE=/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE=/dev/null",
		"CDK_DEFAULT_ACCOUNT=" + Account,
		"CDK_DEFAULT_REGION=" + Region,
	}
}

// Config returns a configuration whose clients talk to s as the person who
// deploys. Clients of S3 need UsePathStyle.
func (s *Standin) Config() aws.Config {
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(s.URL()),
		Credentials:  credentials.NewStaticCredentialsProvider(personKey, secretKey, ""),
	}
}

// Handle answers an operation itself, such as "codecommit:GetBranch": what moto
// does not have, or what a scenario wants otherwise. The service is named as in
// policies, the operation as in the API. Calls are recorded like all others.
func (s *Standin) Handle(operation string, h http.Handler) { s.front.handle(operation, h) }
