package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// completePipeline completes the first argument with the names of pipelines.
// Only a server is asked: completing a word must not open a data folder.
func (p *program) completePipeline(cmd *cobra.Command, args []string, word string) ([]string, cobra.ShellCompDirective) {
	const directive = cobra.ShellCompDirectiveNoFileComp
	if len(args) > 0 {
		return nil, directive
	}
	parent := cmd.Context()
	if parent == nil {
		parent = context.Background()
	}
	ctx, cancel := context.WithTimeout(parent, time.Second)
	defer cancel()
	c := serverOf(ctx, p.folder())
	if url := p.endpoint(); url != "" {
		c = remote(url)
	}
	if c == nil {
		return nil, directive
	}
	all, err := c.pipelines(ctx)
	if err != nil {
		return nil, directive
	}
	var names []string
	for _, s := range all.Pipelines {
		if strings.HasPrefix(s.Name, word) {
			names = append(names, s.Name)
		}
	}
	return names, directive
}
