package cli

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/connect"
)

func (p *program) connectTo() *cobra.Command {
	var listen, profile, region string
	c := &cobra.Command{
		Use:   "connect URL",
		Short: "Let clients on this machine reach a deployment in AWS",
		Long: `Pass requests of the CodePipeline API on to the function of a deployment,
signed with your credentials of AWS, until Ctrl-C. URL is an output of
cdk deploy. Clients then work as with a server on this machine:

  aws codepipeline list-pipelines --endpoint-url http://127.0.0.1:4317
  sluice list --endpoint http://127.0.0.1:4317`,
		Example: "  sluice connect https://abc.lambda-url.eu-west-1.on.aws/ --profile work",
		Args:    arguments(1, 1, "URL"),
		RunE: p.do(func(ctx context.Context, args []string) error {
			credentials, err := connect.Credentials(ctx, profile)
			if err != nil {
				return usagef("%w", err).or("aws configure list-profiles")
			}
			h, err := connect.New(connect.Target{URL: args[0], Region: region}, credentials)
			if err != nil {
				return usagef("%w", err).or("sluice connect --help")
			}
			l, err := loopback("sluice connect "+args[0], listen)
			if err != nil {
				return err
			}
			return p.pass(ctx, l, h)
		}),
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4317", "address on this machine; port 0 takes a free one")
	c.Flags().StringVar(&profile, "profile", "", "profile of AWS to sign with (default as the AWS CLI chooses)")
	c.Flags().StringVar(&region, "region", "", "Region to sign for (default the one in URL)")
	return c
}

// pass serves h on l until ctx ends, behind the checks that every listener of
// this machine has.
func (p *program) pass(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{
		Handler:           codepipeline.Loopback(h, l.Addr().(*net.TCPAddr).Port),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      2 * time.Minute,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	p.print("listening on " + urlOf(l))
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
