#!/usr/bin/env bash
# Fail, fix, retry: what failed runs again; a newer execution ends that.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first
stage='stageStates[1].[latestExecution.status,retryStageMetadata.manualStageRetryAttempt]'

say "One test passes. The other needs a server, and the server is down."
push "The first title" title first scratch "$scratch"
await "Failed" aws codepipeline list-pipeline-executions --pipeline-name retry --query "$history"
run aws codepipeline list-pipeline-executions --pipeline-name retry --query 'pipelineExecutionSummaries[].pipelineExecutionId'
first=$seen
expect "Failed None" aws codepipeline get-pipeline-state --name retry --query "$stage"

say "Only what failed can be retried."
refused StageNotRetryableException aws codepipeline retry-stage-execution --pipeline-name retry --stage-name Source \
	--pipeline-execution-id "$first" --retry-mode FAILED_ACTIONS

say "The server is started, and the failed action runs again. The execution is the same one."
touch "$scratch/server-is-up"
expect "$first" aws codepipeline retry-stage-execution --pipeline-name retry --stage-name Test \
	--pipeline-execution-id "$first" --retry-mode FAILED_ACTIONS
await "Succeeded" aws codepipeline list-pipeline-executions --pipeline-name retry --query "$history"
expect "Succeeded 1" aws codepipeline get-pipeline-state --name retry --query "$stage"

say "The test that had passed was not repeated."
expect "Code Succeeded Server Failed Server Succeeded Words Succeeded" aws codepipeline list-action-executions --pipeline-name retry \
	--query 'sort_by(actionExecutionDetails,&join(` `,[actionName,status]))[].[actionName,status]'

say "There is nothing left to retry."
refused StageNotRetryableException aws codepipeline retry-stage-execution --pipeline-name retry --stage-name Test \
	--pipeline-execution-id "$first" --retry-mode FAILED_ACTIONS

say "Now the code is wrong. It is fixed by another push."
push "A broken title" title broken
await "Succeeded Failed" aws codepipeline list-pipeline-executions --pipeline-name retry --query "$history"
push "The second title" title second
await "Succeeded Failed Succeeded" aws codepipeline list-pipeline-executions --pipeline-name retry --query "$history"
run aws codepipeline list-pipeline-executions --pipeline-name retry --query 'pipelineExecutionSummaries[1].pipelineExecutionId'

say "What failed before the fix is not the latest execution any more."
refused NotLatestPipelineExecutionException aws codepipeline retry-stage-execution --pipeline-name retry --stage-name Test \
	--pipeline-execution-id "$seen" --retry-mode FAILED_ACTIONS
