package entry

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sluice-ci/sluice/internal/config"
)

// newLog returns a log of JSON lines, from the level SLUICE_LOG on. A level
// that is misspelt is reported with all that is wrong with the environment.
func newLog(w io.Writer, env *config.Env) *slog.Logger {
	var level slog.Level
	env.Text("SLUICE_LOG", "debug, info, warn or error", &level)
	h := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})
	return slog.New(withRequest{h}).With("function", os.Getenv("AWS_LAMBDA_FUNCTION_NAME"))
}

// withRequest adds the id of the request that a line is about, by which all of
// its lines are found.
type withRequest struct{ slog.Handler }

// Handle implements slog.Handler.
func (h withRequest) Handle(ctx context.Context, r slog.Record) error {
	if c, ok := lambdacontext.FromContext(ctx); ok && c.AwsRequestID != "" {
		r.AddAttrs(slog.String("request", c.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h withRequest) WithAttrs(attrs []slog.Attr) slog.Handler {
	return withRequest{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h withRequest) WithGroup(name string) slog.Handler {
	return withRequest{h.Handler.WithGroup(name)}
}
