package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
)

func (p *program) up() *cobra.Command {
	var listen, mapped string
	var acceptLoss, simulate bool
	c := &cobra.Command{
		Use:   "up [DIR]",
		Short: "Run the server",
		Long: `Run every pipeline that is defined in DIR (default infra/pipelines): serve the
API, watch the mapped repositories and buckets, and run what they start.

sluice.local.yaml, in DIR or in the working directory, says what the names of
repositories and buckets stand for on this machine. Ctrl-C stops the server;
what runs goes on when it is started again.`,
		Example: "  sluice up infra/pipelines --listen 127.0.0.1:4317",
		Args:    arguments(0, 1, "[DIR]"),
		RunE: p.do(func(ctx context.Context, args []string) error {
			dir := "infra/pipelines"
			if len(args) == 1 {
				dir = args[0]
			}
			defs, err := p.definitions(dir)
			if err != nil {
				return err
			}
			m, err := findMapping(mapped, dir)
			if err != nil {
				return err
			}
			l, err := loopback("sluice up", listen)
			if err != nil {
				return err
			}
			c, err := p.open(ctx, opening{settings: &settings{m, simulate}, acceptLoss: acceptLoss, listener: l})
			if err != nil {
				return errors.Join(err, l.Close())
			}
			return errors.Join(p.operate(ctx, c, defs), c.Close())
		}),
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:4317", "address on this machine; port 0 takes a free one")
	c.Flags().StringVar(&p.where.data, "data", "", "data folder (default $SLUICE_DATA, or .sluice)")
	c.Flags().StringVar(&mapped, "mapping", "", "file that maps names to this machine (default sluice.local.yaml)")
	c.Flags().BoolVar(&acceptLoss, "accept-loss", false, "open the data folder although acknowledged writes are missing from it")
	c.Flags().BoolVar(&simulate, "simulate", false, "simulate every action but approvals")
	c.MarkFlagDirname("data")
	c.MarkFlagFilename("mapping", "yaml", "yml")
	return c
}

// definitions reads the folder of definitions of a server.
func (p *program) definitions(dir string) ([]definition.Definition, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil, usagef("%s is no folder: name the one that holds the definitions", dir).or("sluice up DIR", "sluice demo")
	}
	defs, err := readDefinitions([]string{dir}, laptop())
	if errs, ok := errors.AsType[definition.Errors](err); ok {
		p.sayErrors(errs)
		return nil, mistakes(errs)
	}
	if err != nil {
		return nil, err
	}
	if len(defs) == 0 {
		return nil, holdsNone(dir).or("sluice demo")
	}
	p.sayWarnings(defs)
	return defs, nil
}

// operate is the server between its start and its end.
func (p *program) operate(ctx context.Context, c *connection, defs []definition.Definition) error {
	created, updated, err := c.system.Register(ctx, defs)
	if err != nil {
		return err
	}
	for _, d := range defs {
		what := "unchanged"
		if slices.Contains(created, d.Declaration.Name) {
			what = "new"
		} else if slices.Contains(updated, d.Declaration.Name) {
			what = "changed"
		}
		p.say("%s: %s (%s)", d.Declaration.Name, size(d.Declaration), what)
		for _, w := range simulatedHere(d) {
			p.say("%s %s", p.paint("warning:", yellow), clean(w.Error(), false))
		}
	}
	defer c.system.OnMail(p.sayMail)()
	if err := c.system.Look(ctx); err != nil && ctx.Err() == nil { // a push after the next line must start a run
		return fmt.Errorf("watch sources: %w", err)
	}
	p.print("listening on " + c.url)
	err = c.system.Watch(ctx)
	if ctx.Err() == nil && err != nil {
		return fmt.Errorf("watch sources: %w", err)
	}
	<-ctx.Done() // a server without anything to watch still serves
	p.say("stopping; what runs goes on with the next sluice up")
	return nil
}

// sayMail tells of a message to people, as the mail would that is not sent here.
func (p *program) sayMail(m local.Mail) {
	p.say("%s", clean(m.Subject, false))
	p.sayLink(m.Link)
}

// loopback listens on an address that only this machine reaches, for a command.
func loopback(command, address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, usagef("--listen %q: write an address and a port, such as 127.0.0.1:4317", address)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, usagef("--listen %s: Sluice has no passwords, so whoever reaches it acts as you; it listens on 127.0.0.1, [::1] or localhost only", address).
			or(command + " --listen 127.0.0.1:" + address[strings.LastIndexByte(address, ':')+1:])
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, (&failure{exit: ExitFailed, err: fmt.Errorf("--listen %s: %w", address, err)}).or(command + " --listen 127.0.0.1:0")
	}
	return l, nil
}
