package entry

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/sluice-ci/sluice/internal/config"
)

// awsConfig returns the configuration of a function's clients, from the
// variables that Lambda sets. The SDK's own loader knows a dozen other places,
// and brings the clients of three services to look there: twice the time that
// a function takes to begin.
func awsConfig(env *config.Env) aws.Config {
	return aws.Config{
		Region: env.String("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			env.String("AWS_ACCESS_KEY_ID"), env.String("AWS_SECRET_ACCESS_KEY"), env.Optional("AWS_SESSION_TOKEN")),
		HTTPClient:    httpClient(),
		BaseEndpoint:  optional(env.Optional("AWS_ENDPOINT_URL")),
		ConfigSources: []any{endpoints(os.LookupEnv)},
	}
}

// httpClient returns a client that gives up on a dead connection soon: a
// function may be frozen for minutes between two requests, and whoever it was
// connected to does not wait.
func httpClient() aws.HTTPClient {
	return awshttp.NewBuildableClient().
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = 3 * time.Second }).
		WithTransportOptions(func(t *http.Transport) {
			t.TLSHandshakeTimeout = 5 * time.Second
			t.ResponseHeaderTimeout = time.Minute
			t.IdleConnTimeout = 30 * time.Second
			t.MaxIdleConnsPerHost = 32
		})
}

// endpoints finds the endpoint that the environment sets for one service, as
// AWS_ENDPOINT_URL_S3 does.
type endpoints func(string) (string, bool)

// GetServiceBaseEndpoint is what the SDK asks of a source of configuration.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (string, bool, error) {
	v, _ := e("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return v, v != "", nil
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
