package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/codepipeline"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// pipelines returns all pipelines, by name.
func (c *connection) pipelines(ctx context.Context) (codepipeline.ListPipelinesOutput, error) {
	all := codepipeline.ListPipelinesOutput{Pipelines: []codepipeline.PipelineSummary{}}
	in := codepipeline.ListPipelinesInput{}
	for {
		var page codepipeline.ListPipelinesOutput
		if err := c.Do(ctx, "ListPipelines", in, &page); err != nil {
			return all, err
		}
		all.Pipelines = append(all.Pipelines, page.Pipelines...)
		if in.NextToken = page.NextToken; in.NextToken == "" {
			return all, nil
		}
	}
}

// executions returns the newest executions of a pipeline, at most n.
func (c *connection) executions(ctx context.Context, name string, n int) (codepipeline.ListPipelineExecutionsOutput, error) {
	all := codepipeline.ListPipelineExecutionsOutput{Summaries: []codepipeline.PipelineExecutionSummary{}}
	in := codepipeline.ListPipelineExecutionsInput{PipelineName: name}
	for {
		in.MaxResults = min(n-len(all.Summaries), 100)
		var page codepipeline.ListPipelineExecutionsOutput
		if err := c.Do(ctx, "ListPipelineExecutions", in, &page); err != nil {
			return all, err
		}
		all.Summaries = append(all.Summaries, page.Summaries...)
		if in.NextToken = page.NextToken; in.NextToken == "" || len(all.Summaries) >= n {
			return all, nil
		}
	}
}

// latest returns the newest execution of a pipeline.
func (c *connection) latest(ctx context.Context, name string) (codepipeline.PipelineExecutionSummary, error) {
	all, err := c.executions(ctx, name, 1)
	if err == nil && len(all.Summaries) == 0 {
		err = pipeline.Errorf(pipeline.PipelineExecutionNotFound, "pipeline %s has not run yet", name)
	}
	if err != nil {
		return codepipeline.PipelineExecutionSummary{}, err
	}
	return all.Summaries[0], nil
}

// execution returns an execution.
func (c *connection) execution(ctx context.Context, name, id string) (codepipeline.PipelineExecution, error) {
	var out codepipeline.GetPipelineExecutionOutput
	in := codepipeline.GetPipelineExecutionInput{PipelineName: name, PipelineExecutionID: id}
	err := c.Do(ctx, "GetPipelineExecution", in, &out)
	return out.PipelineExecution, err
}

// actions returns every run of every action of an execution, oldest first.
func (c *connection) actions(ctx context.Context, name, execution string) ([]codepipeline.ActionExecutionDetail, error) {
	var all []codepipeline.ActionExecutionDetail
	in := codepipeline.ListActionExecutionsInput{
		PipelineName: name,
		Filter:       &codepipeline.ActionExecutionFilter{PipelineExecutionID: execution},
	}
	for {
		var page codepipeline.ListActionExecutionsOutput
		if err := c.Do(ctx, "ListActionExecutions", in, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Details...)
		if in.NextToken = page.NextToken; in.NextToken == "" {
			slices.Reverse(all)
			return all, nil
		}
	}
}

// state returns where the executions of a pipeline are.
func (c *connection) state(ctx context.Context, name string) (codepipeline.GetPipelineStateOutput, error) {
	var out codepipeline.GetPipelineStateOutput
	err := c.Do(ctx, "GetPipelineState", codepipeline.GetPipelineStateInput{Name: name}, &out)
	return out, err
}

// declaration returns a version of a pipeline, 0 for the newest.
func (c *connection) declaration(ctx context.Context, name string, version int) (pipeline.Declaration, error) {
	var out codepipeline.GetPipelineOutput
	err := c.Do(ctx, "GetPipeline", codepipeline.GetPipelineInput{Name: name, Version: version}, &out)
	return pipeline.Declaration(out.Pipeline), err
}

// maxLog is how much of a log is read at once.
const maxLog = 4 << 20

// log returns what an action execution has printed behind offset; nothing
// when it keeps no log.
func (c *connection) log(ctx context.Context, id string, offset int64) ([]byte, error) {
	body, status, err := c.get(ctx, fmt.Sprintf("/logs/%s?offset=%d", url.PathEscape(id), offset))
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound || status == http.StatusRequestedRangeNotSatisfiable:
		return nil, nil
	case status != http.StatusOK:
		return nil, fmt.Errorf("log of action execution %s: the server answered %d", id, status)
	}
	return body, nil
}

// read decodes what the server keeps beside the API into out. Only a pipeline
// can be missing there.
func (c *connection) read(ctx context.Context, path string, out any) error {
	body, status, err := c.get(ctx, path)
	switch {
	case err != nil:
		return err
	case status == http.StatusNotFound:
		return pipeline.Errorf(pipeline.PipelineNotFound, "%s", strings.TrimSpace(string(body)))
	case status != http.StatusOK:
		return fmt.Errorf("%s: the server answered %d: %s", path, status, strings.TrimSpace(string(body)))
	}
	return json.Unmarshal(body, out)
}

// get reads what the server keeps beside the API.
func (c *connection) get(ctx context.Context, path string) (body []byte, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, 0, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, pipeline.Errorf(pipeline.ServiceUnavailable, "%s: %w", path, err)
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, maxLog))
	return body, resp.StatusCode, err
}
