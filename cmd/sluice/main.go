// Command sluice runs AWS CodePipeline's pipelines on this machine. Package
// cli is the whole of it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/sluice-ci/sluice/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second Ctrl-C does not wait for anything
	env := cli.Env{Name: os.Args[0], Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv}
	if fd := int(os.Stdout.Fd()); term.IsTerminal(fd) && os.Getenv("TERM") != "dumb" {
		env.Terminal = func() (int, int, bool) {
			width, height, err := term.GetSize(fd)
			return width, height, err == nil
		}
	}
	os.Exit(cli.Main(ctx, env))
}
