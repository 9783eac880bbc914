package infra

import (
	"encoding/json"
	"fmt"
)

// dashboard returns the body of the dashboard: what runs, what fails, what
// waits, and what it costs.
func dashboard(cfg config, programs []program) string {
	var calls, errors, times, queues [][]any
	for _, p := range programs {
		calls = append(calls, ofFunction(cfg, "Invocations", "Sum", p.name).line())
		errors = append(errors, ofFunction(cfg, "Errors", "Sum", p.name).line())
		times = append(times, ofFunction(cfg, "Duration", "p90", p.name).line())
		if p.async {
			queues = append(queues, depth(cfg, dead(p.name)).line())
		}
	}
	queues = append(queues, depth(cfg, "resume").line(), depth(cfg, undelivered).line())
	ended := func(name string) []any {
		query := fmt.Sprintf(`SEARCH('{AWS/States,StateMachineArn} MetricName="%s" StateMachineArn="%s"', 'Sum')`, name, cfg.arn("states", "stateMachine:"+cfg.called("")))
		return []any{map[string]string{"expression": "SUM(" + query + ")", "label": name}}
	}
	table := func(name string) []any { return metric{"AWS/DynamoDB", name, "Sum", "TableName", cfg.name}.line() }
	widgets := []any{
		cfg.graph(0, 0, "Machine runs", [][]any{ended("ExecutionsStarted"), ended("ExecutionsSucceeded"), ended("ExecutionsFailed"), ended("ExecutionsAborted")}),
		cfg.graph(12, 0, "Waiting, given up", queues),
		cfg.graph(0, 6, "Calls", calls),
		cfg.graph(12, 6, "Errors", errors),
		cfg.graph(0, 12, "Time of a call, 90th percentile (ms)", times),
		cfg.graph(12, 12, "Age of the outbox (ms)", [][]any{ofFunction(cfg, "IteratorAge", "Maximum", "outbox").line()}),
		cfg.graph(0, 18, "Table: read and write units", [][]any{table("ConsumedReadCapacityUnits"), table("ConsumedWriteCapacityUnits")}),
		cfg.graph(12, 18, "Table: throttled", [][]any{table("ReadThrottleEvents"), table("WriteThrottleEvents")}),
	}
	body, _ := json.Marshal(map[string]any{"widgets": widgets})
	return string(body)
}

// line is a metric as a dashboard has it.
func (m metric) line() []any {
	return []any{m.space, m.name, m.dimension, m.value, map[string]string{"stat": m.stat}}
}

// graph is a widget at a place, in the grid of 24 columns.
func (c config) graph(x, y int, title string, lines [][]any) map[string]any {
	return map[string]any{
		"type": "metric", "x": x, "y": y, "width": 12, "height": 6,
		"properties": map[string]any{"title": title, "region": c.region, "view": "timeSeries", "period": 300, "metrics": lines},
	}
}
