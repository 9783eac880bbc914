package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sluice-ci/sluice/internal/compile"
	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func (p *program) graph() *cobra.Command {
	var format string
	formats := []string{"text", "mermaid", "dot", "asl"}
	c := &cobra.Command{
		Use:     "graph FILE",
		Short:   "Draw a definition",
		Long:    "Draw a definition: as text, for Mermaid or Graphviz, or as the state machine that runs it.",
		Example: "  sluice graph pipeline.yaml --format dot | dot -Tsvg",
		Args:    arguments(1, 1, "FILE"),
		RunE: p.do(func(_ context.Context, args []string) error {
			if !slices.Contains(formats, format) {
				return usagef("--format %q: write one of %s", format, strings.Join(formats, ", "))
			}
			def, err := definition.ReadFile(args[0], laptop())
			if errs, ok := errors.AsType[definition.Errors](err); ok {
				p.sayErrors(errs)
				return mistakes(errs)
			}
			if err != nil {
				return err
			}
			switch d := def.Declaration; format {
			case "mermaid":
				p.print(mermaid(d))
			case "dot":
				p.print(dot(d))
			case "asl":
				return p.printJSON(compile.Machine(d, compile.Local))
			default:
				p.tree(d)
			}
			return nil
		}),
	}
	c.Flags().StringVar(&format, "format", "text", "text, mermaid, dot or asl")
	c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// ordered returns the actions of s as they run: by run order, then as declared.
func ordered(s pipeline.Stage) []pipeline.Action {
	return slices.SortedStableFunc(slices.Values(s.Actions), func(a, b pipeline.Action) int { return cmp.Compare(a.Order(), b.Order()) })
}

// tree prints d as text: actions with one number run side by side.
func (p *program) tree(d pipeline.Declaration) {
	p.print(p.paint(d.Name, bold) + "  " + size(d))
	var rows [][]string
	heads := map[int]string{}
	for _, s := range d.Stages {
		heads[len(rows)] = s.Name
		last := 0
		for _, a := range ordered(s) {
			order := itoa(a.Order())
			if a.Order() == last {
				order = "∥"
			}
			last = a.Order()
			mark := ""
			if !local.Runs(a.TypeID) {
				mark = "[simulated here]"
			}
			rows = append(rows, []string{"  " + order, a.Name, string(a.TypeID.Category) + " " + a.TypeID.Provider, flow(a), p.paint(mark, yellow)})
		}
	}
	for i, line := range columns(rows) {
		if head, ok := heads[i]; ok {
			p.print(p.paint(head, bold))
		}
		p.print(line)
	}
}

// flow says which artifacts an action reads and writes.
func flow(a pipeline.Action) string {
	var in, out []string
	for _, x := range a.InputArtifacts {
		in = append(in, x.Name)
	}
	for _, x := range a.OutputArtifacts {
		out = append(out, x.Name)
	}
	switch {
	case len(in)+len(out) == 0:
		return ""
	case len(out) == 0:
		return strings.Join(in, ", ") + " →"
	}
	return strings.TrimSpace(strings.Join(in, ", ") + " → " + strings.Join(out, ", "))
}

// node is the id of action j of stage i in a drawing.
func node(i, j int) string { return fmt.Sprintf("s%da%d", i, j) }

// mermaid draws d as a Mermaid flow chart. Every stage is a box, and arrows
// inside it lead from one run order to the next.
func mermaid(d pipeline.Declaration) string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, s := range d.Stages {
		fmt.Fprintf(&b, "  subgraph s%d[%s]\n", i, mermaidText(s.Name))
		actions := ordered(s)
		for j, a := range actions {
			fmt.Fprintf(&b, "    %s[%s]\n", node(i, j), mermaidText(label(a, "<br/>")))
		}
		for _, e := range edges(actions) {
			fmt.Fprintf(&b, "    %s --> %s\n", node(i, e[0]), node(i, e[1]))
		}
		b.WriteString("  end\n")
		if i > 0 {
			fmt.Fprintf(&b, "  s%d --> s%d\n", i-1, i)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// label names an action in a drawing.
func label(a pipeline.Action, newline string) string {
	text := a.Name + newline + a.TypeID.Provider
	if !local.Runs(a.TypeID) {
		text += newline + "[simulated here]"
	}
	return text
}

func mermaidText(s string) string { return `"` + strings.ReplaceAll(s, `"`, "#quot;") + `"` }

// dot draws d for Graphviz.
func dot(d pipeline.Declaration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR; compound=true; node [shape=box];\n", dotText(d.Name))
	for i, s := range d.Stages {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i, dotText(s.Name))
		actions := ordered(s)
		for j, a := range actions {
			fmt.Fprintf(&b, "    %s [label=%s];\n", node(i, j), dotText(label(a, "\n")))
		}
		for _, e := range edges(actions) {
			fmt.Fprintf(&b, "    %s -> %s;\n", node(i, e[0]), node(i, e[1]))
		}
		b.WriteString("  }\n")
		if i > 0 {
			fmt.Fprintf(&b, "  %s -> %s [ltail=cluster_%d, lhead=cluster_%d];\n", node(i-1, len(d.Stages[i-1].Actions)-1), node(i, 0), i-1, i)
		}
	}
	return b.String() + "}"
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// edges returns pairs of indexes of actions in order: every action of a run
// order leads to every action of the next.
func edges(actions []pipeline.Action) [][2]int {
	var all [][2]int
	for i, from := range actions {
		next := 0
		for j := i + 1; j < len(actions); j++ {
			to := actions[j].Order()
			if to == from.Order() || next != 0 && to != next {
				continue
			}
			next = to
			all = append(all, [2]int{i, j})
		}
	}
	return all
}
