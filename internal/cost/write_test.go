package cost_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// write returns the document.
func write(t *testing.T, m measurements, s sheet) []byte {
	t.Helper()
	var p page
	p.say("# What it costs\n")
	p.say("Written by `go test ./internal/cost -update`; the test fails when it is out of date. Nothing here was measured in an")
	p.say("account: transitions are counted in the compiled machines, the rest in runs of the use cases (\"How it is counted\").")
	p.say("Prices were looked up on %s and are without tax. Free tiers are left out unless a column says otherwise.\n", s.Read)
	perRun(t, &p, m, s)
	oneRun(t, &p, m.pipelines[0], s)
	waiting(t, &p, m.pipelines, s)
	idle(t, &p, m.idle, s)
	months(t, &p, m, s)
	compared(&p)
	counted(t, &p)
	priceList(&p, s)
	return append([]byte(strings.TrimRight(p.String(), "\n")), '\n')
}

func perRun(t *testing.T, p *page, m measurements, s sheet) {
	t.Helper()
	p.say("## A run\n")
	p.say("A successful run; its approval waits %d minutes. Sources count 1 minute, builds 5, tests 2, deployments 2.\n", approvalWait)
	var rows [][]string
	for _, x := range m.pipelines {
		b := billOf(t, x.used)
		rows = append(rows, []string{
			fmt.Sprintf("`%s`, %d stages", x.d.Name, len(x.d.Stages)), fmt.Sprint(x.used.states), fmt.Sprint(sum(x.used.calls)),
			dollars(b.in(t, s, regions[0], false)), dollars(b.in(t, s, regions[1], false)),
			dollars(actionMinutes(x.d) * s.of(t, "v2").in(regions[0])),
			dollars(buildMinutes(x.d) * s.of(t, "build").in(regions[0])),
		})
	}
	p.table([]string{"pipeline", "transitions", "Lambda calls", "Sluice, " + regions[0], "Sluice, " + regions[1], "CodePipeline V2", "CodeBuild, with either"}, rows)
	p.say("A pipeline of one action a stage takes at most two transitions a stage, and two (`TestTwoTransitionsAStage`).\n")
}

func oneRun(t *testing.T, p *page, x measured, s sheet) {
	t.Helper()
	p.say("## A run of `%s`, line by line\n", x.d.Name)
	p.say("Source, build, approval, deployment: `internal/cost/%s`. Calls: %s.\n", x.file, callsText(x.used.calls))
	itemized(t, p, s, billOf(t, x.used))
}

// itemized writes the lines of a bill and their sum.
func itemized(t *testing.T, p *page, s sheet, b bill) {
	t.Helper()
	var rows [][]string
	for _, l := range b {
		price := s.of(t, l.key)
		rows = append(rows, []string{l.what, count(l.units), dollars(l.units * price.in(regions[0])), dollars(l.units * price.in(regions[1]))})
	}
	rows = append(rows, []string{"**together**", "", dollars(b.in(t, s, regions[0], false)), dollars(b.in(t, s, regions[1], false))})
	p.table(append([]string{"what", "units"}, regions...), rows)
}

func waiting(t *testing.T, p *page, all []measured, s sheet) {
	t.Helper()
	p.say("## While a run waits\n")
	p.say("Each minute the sweep looks at what is under way. An hour more of waiting for an approval costs:\n")
	var rows [][]string
	for _, x := range all {
		b := billOf(t, x.waiting)
		rows = append(rows, []string{
			"`" + x.d.Name + "`", fmt.Sprint(sum(x.waiting.calls)), fmt.Sprint(x.waiting.reads), fmt.Sprint(x.waiting.writes),
			dollars(b.in(t, s, regions[0], false)), dollars(b.in(t, s, regions[1], false)),
		})
	}
	p.table(append([]string{"pipeline", "Lambda calls", "read units", "write units"}, regions...), rows)
}

func idle(t *testing.T, p *page, reads [2]int, s sheet) {
	t.Helper()
	p.say("## An idle deployment, a month\n")
	p.say("One deployment serves all pipelines of an account and region. This is it with one pipeline, and nothing running.\n")
	b := idleBill(t, reads[0])
	itemized(t, p, s, b)
	p.say("In an account that uses nothing else, what is free in every month leaves %s (%s). Ten pipelines instead of one: %s.",
		dollars(b.in(t, s, regions[0], true)), regions[0], dollars(idleBill(t, reads[1]).in(t, s, regions[0], false)))
	p.say("The key rotates each year; KMS asks $1 a month more for each of the first two rotations.\n")
}

func months(t *testing.T, p *page, m measurements, s sheet) {
	t.Helper()
	region, x := regions[0], m.pipelines[0]
	run, idle := billOf(t, x.used), idleBill(t, m.idle[0])
	v2 := actionMinutes(x.d) * s.of(t, "v2").in(region)
	p.say("## A month of `%s`, %s\n", x.d.Name, region)
	var rows [][]string
	for _, n := range []float64{10, 100, 1000} {
		all := append(run.times(n), idle...)
		rows = append(rows, []string{
			count(n), dollars(run.in(t, s, region, false) * n), dollars(all.in(t, s, region, false)), dollars(all.in(t, s, region, true)),
			dollars(s.of(t, "v1").in(region)), dollars(v2 * n), dollars(bill{{"v2", "", actionMinutes(x.d) * n}}.in(t, s, region, true)),
			dollars(buildMinutes(x.d) * n * s.of(t, "build").in(region)),
		})
	}
	p.table([]string{"runs", "Sluice, runs alone", "with the idle deployment", "and free tiers", "V1", "V2", "V2, free minutes off", "CodeBuild, with either"}, rows)
	each := v2 - run.in(t, s, region, false)
	p.say("One deployment costs less than V2 from %.0f such runs a month in all pipelines together, and less than V1 from %.0f pipelines of 100 runs.\n",
		math.Ceil(idle.in(t, s, region, false)/each), math.Ceil(idle.in(t, s, region, false)/(s.of(t, "v1").in(region)-100*run.in(t, s, region, false))))
}

func compared(p *page) {
	p.say(`## What CodePipeline counts

- **V1**: $1 for each pipeline that is older than 30 days and had a change in the month, whatever it does. One is free.
- **V2**: $0.002 for each minute of each action, begun minutes whole, actions side by side each by itself. Minutes that a
  **manual approval** waits are not counted, nor are those of custom actions. 100 minutes a month are free in an account.
- **CodeBuild** is paid by the minute under either, and under Sluice, and is the same: it is in no sum but its own column.
  So are what actions make or call: stacks, functions, storage of artifacts, data transfer.
`)
}

func counted(t *testing.T, p *page) {
	t.Helper()
	p.say(`## How it is counted

- **Transitions**: states that the machine enters when everything succeeds, found by walking its text. Each retry of a
  call would be one more. If the start and the end of a run are counted besides, a run costs $0.00005 more.
- **Calls, events, messages, errands**: a run of the use cases in one thread and a time of its own, the second one of its
  deployment, with a sweep each minute. Every call begins with empty caches. The outbox is called once for each row,
  because rows of one run come one at a time; many runs at once share calls.
- **Read and write units**: sizes of what the DynamoDB adapter reads and writes, all of it consistent and in transactions;
  two write units for each KB of each item. Conflicts, which actions side by side may have, are not in it.
- **Builds** are ended by CodeBuild's event, other work that goes on elsewhere is found by the sweep.

What is assumed, because nothing here can tell:
`)
	var rows [][]string
	for _, f := range []string{"source", "deploy", "build", "invoke", "outbox", "all others"} {
		ms, ok := billed[f]
		if !ok {
			ms = 200
		}
		rows = append(rows, []string{"a call of " + f, fmt.Sprintf("%.0f ms of %d MB", ms, memory(t, f))})
	}
	rows = append(rows,
		[]string{"log of a call, and of a state", fmt.Sprintf("%d and %d bytes", logged, traced)},
		[]string{"SQS, an errand", fmt.Sprintf("%d requests", requests)},
		[]string{"SQS, looks into an empty queue", fmt.Sprintf("%d a month: 5 pollers, 20 seconds each", polls)},
		[]string{"KMS", "a request for each object, each message, and each five minutes for the table"},
		[]string{"metrics with an alarm, and dashboards", fmt.Sprintf("%.0f and %d", watched(t), dashboards)},
		[]string{"a person", "answers through the API with one call, and one mail tells them"},
		[]string{"a month", fmt.Sprintf("%d minutes", minutes)},
	)
	p.table([]string{"what", "assumed"}, rows)
	p.say("Left out: storage of records, backups and artifacts, and the access log of the bucket: cents a month.\n")
}

func priceList(p *page, s sheet) {
	p.say("## Prices\n")
	p.say("Of the table in `internal/cost/testdata/prices.json`. Where the source is AWS's price list, the figure was read in published")
	p.say("extracts of it, with the date of the list. \"Found for\" says where a figure was seen; the rest is taken to be the same.\n")
	var rows [][]string
	for _, x := range s.Prices {
		published := x.Published
		if published == "" {
			published = "no date"
		}
		rows = append(rows, []string{
			x.What, fmt.Sprintf("%g", x.UsEast1), fmt.Sprintf("%g", x.EuWest1), fmt.Sprintf("%.0f", x.Per), fmt.Sprintf("%.0f", x.Free), published, strings.ReplaceAll(x.Verified, " and ", ", "), "[source](" + x.Source + ")",
		})
	}
	p.table([]string{"what", "$ " + regions[0], "$ " + regions[1], "for", "free a month", "published", "found for", "source"}, rows)
}
