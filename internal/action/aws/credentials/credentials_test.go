package credentials_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// assumer is a fake of STS.
type assumer struct {
	awsfake.Knobs
	mu    sync.Mutex
	calls []string // guarded by mu
	lasts time.Duration
}

func (f *assumer) AssumeRole(_ context.Context, in *sts.AssumeRoleInput, _ ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, *in.RoleArn+" "+*in.RoleSessionName)
	return awsfake.Around(f.Knobs, "AssumeRole", func() (*sts.AssumeRoleOutput, error) {
		return &sts.AssumeRoleOutput{Credentials: &types.Credentials{
			AccessKeyId: aws.String(fmt.Sprint("key", len(f.calls))), SecretAccessKey: aws.String("s"), SessionToken: aws.String("t"), Expiration: aws.Time(time.Now().Add(f.lasts)),
		}}, nil
	})
}

func base() aws.Config {
	return aws.Config{Region: "eu-west-1", Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "base", SecretAccessKey: "s"}, nil
	})}
}

func job(role, execution string) action.Job {
	return action.Job{ExecutionID: execution, Region: "us-east-1", Role: role}
}

func newRoles(t *testing.T, f *assumer) *credentials.Roles {
	t.Helper()
	roles, err := credentials.New(base(), f)
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

// key returns the access key that the calls of job are signed with.
func key(t *testing.T, roles *credentials.Roles, job action.Job) string {
	t.Helper()
	config, err := roles.Config(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if config.Region != job.Region {
		t.Errorf("Region %s; want %s", config.Region, job.Region)
	}
	c, err := config.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c.AccessKeyID
}

func TestConfig(t *testing.T) {
	f := &assumer{lasts: time.Hour}
	roles := newRoles(t, f)
	if got := key(t, roles, job("", "e1")); got != "base" || len(f.calls) > 0 {
		t.Errorf("without a role: %s after %v", got, f.calls)
	}
	for _, tt := range []struct{ role, execution, want string }{
		{"arn:r1", "e1", "key1"}, {"arn:r1", "e1", "key1"}, {"arn:r2", "e1", "key2"}, {"arn:r1", "e2", "key3"}, {"arn:r1", "e1", "key1"},
	} {
		if got := key(t, roles, job(tt.role, tt.execution)); got != tt.want {
			t.Errorf("%s, %s: %s; want %s", tt.role, tt.execution, got, tt.want)
		}
	}
	if want := "[arn:r1 sluice-e1 arn:r2 sluice-e1 arn:r1 sluice-e2]"; fmt.Sprint(f.calls) != want {
		t.Errorf("calls %v; want %s", f.calls, want)
	}
}

func TestExpiredAreReplaced(t *testing.T) {
	f := &assumer{lasts: -time.Second}
	roles := newRoles(t, f)
	if one, two := key(t, roles, job("arn:r", "e")), key(t, roles, job("arn:r", "e")); one == two {
		t.Errorf("both times %s", one)
	}
}

// TestManySessions pins that the oldest are forgotten, and so not kept for ever.
func TestManySessions(t *testing.T) {
	f := &assumer{lasts: time.Hour}
	roles := newRoles(t, f)
	for i := range 300 {
		key(t, roles, job("arn:r", fmt.Sprint(i)))
	}
	key(t, roles, job("arn:r", "299"))
	if len(f.calls) != 300 {
		t.Errorf("%d calls; want 300", len(f.calls))
	}
	if key(t, roles, job("arn:r", "0")); len(f.calls) != 301 {
		t.Errorf("%d calls; want 301", len(f.calls))
	}
}

func TestSessionName(t *testing.T) {
	f := &assumer{lasts: time.Hour}
	roles := newRoles(t, f)
	key(t, roles, job("arn:r", "a b/ü"+strings.Repeat("x", 100)))
	_, name, _ := strings.Cut(f.calls[0], " ")
	if len(name) != 64 || strings.ContainsAny(name, " /ü") {
		t.Errorf("session %q", name)
	}
}

func TestRefusedRole(t *testing.T) {
	f := &assumer{Knobs: awsfake.Knobs{Before: func(string) error { return awsfake.Error("AccessDenied") }}}
	config, err := newRoles(t, f).Config(t.Context(), job("arn:r", "e"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := config.Credentials.Retrieve(t.Context()); fault.Type(err) != action.PermissionError {
		t.Errorf("%v is a %s; want %s", err, fault.Type(err), action.PermissionError)
	}
}

func TestNew(t *testing.T) {
	if _, err := credentials.New(base(), nil); err == nil {
		t.Error("New without STS succeeded")
	}
}
