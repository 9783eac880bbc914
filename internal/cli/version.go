package cli

import (
	"context"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// A build is what a program was made of.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // there were changes beside the revision
	Go       string `json:"go"`
}

func (p *program) version() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  arguments(0, 0, "no arguments"),
		RunE: p.do(func(context.Context, []string) error {
			b := thisBuild()
			if p.json() {
				return p.printJSON(b)
			}
			line := "sluice " + b.Version
			if b.Revision != "" {
				line += " " + b.Revision[:min(len(b.Revision), 12)]
			}
			if b.Modified {
				line += "+changes"
			}
			p.print(line + " " + b.Go)
			return nil
		}),
	}
	c.Flags().StringVarP(&p.format, "output", "o", "text", "text or json")
	return c
}

// thisBuild reads what the compiler noted in the program.
func thisBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}
