#!/usr/bin/env bash
# Stop: wait for what runs, or abandon it. What is abandoned really ends.
. "$(dirname "$0")/../lib.sh"

execution='pipelineExecutionSummaries[0].[status,stopTrigger.reason]'
stages='stageStates[].latestExecution.status'
actions='reverse(actionExecutionDetails)[].[actionName,status]' # oldest first

# process says who builds, and life whether it still does.
process() { cat "$scratch/process" 2>/dev/null || :; }
life() { if kill -0 "$build" 2>/dev/null; then echo runs; else echo ended; fi; }

say "A build runs, as a process of this machine."
push "Something to build" scratch "$scratch"
await '[1-9]*' process
build=$seen
run aws codepipeline list-pipeline-executions --pipeline-name stop --query 'pipelineExecutionSummaries[].pipelineExecutionId'
first=$seen

say "Its execution is stopped. What runs may finish."
expect "$first" aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$first" --reason "Not today"
expect "Stopping Not today" aws codepipeline list-pipeline-executions --pipeline-name stop --query "$execution"
expect "Succeeded Stopping" aws codepipeline get-pipeline-state --name stop --query "$stages"
refused DuplicatedStopRequestException aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$first"
expect "runs" life

say "It has finished, and nothing else began."
touch "$scratch/end"
await "Stopped Not today" aws codepipeline list-pipeline-executions --pipeline-name stop --query "$execution"
expect "Succeeded Stopped" aws codepipeline get-pipeline-state --name stop --query "$stages"
expect "Code Succeeded Compile Succeeded" aws codepipeline list-action-executions --pipeline-name stop --query "$actions"
refused PipelineExecutionNotStoppableException aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$first"

say "What was stopped can be retried. The build is not repeated."
expect "$first" aws codepipeline retry-stage-execution --pipeline-name stop --stage-name Build \
	--pipeline-execution-id "$first" --retry-mode FAILED_ACTIONS
await "Succeeded None" aws codepipeline list-pipeline-executions --pipeline-name stop --query "$execution"
expect "Code Succeeded Compile Succeeded Pack Succeeded" aws codepipeline list-action-executions --pipeline-name stop --query "$actions"

say "The next execution is abandoned in the middle of its build, and the build ends."
rm "$scratch/end" "$scratch/process"
run aws codepipeline start-pipeline-execution --name stop
second=$seen
await '[1-9]*' process
build=$seen
expect "runs" life
run aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$second" --abandon --reason "Not like this"
await "ended" life
await "Stopped Not like this" aws codepipeline list-pipeline-executions --pipeline-name stop --query "$execution"
expect "Code Succeeded Compile Abandoned" aws codepipeline list-action-executions --pipeline-name stop \
	--filter "pipelineExecutionId=$second" --query "$actions"
refused PipelineExecutionNotStoppableException aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$second" --abandon

say "It is retried, and builds again."
rm "$scratch/process"
expect "$second" aws codepipeline retry-stage-execution --pipeline-name stop --stage-name Build \
	--pipeline-execution-id "$second" --retry-mode FAILED_ACTIONS
await '[1-9]*' process
build=$seen

say "This time somebody waits for the build, changes his mind, and abandons it."
run aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$second" --reason "After this build"
expect "runs" life
run aws codepipeline stop-pipeline-execution --pipeline-name stop --pipeline-execution-id "$second" --abandon --reason "At once"
await "ended" life
await "Stopped At once" aws codepipeline list-pipeline-executions --pipeline-name stop --query "$execution"
expect "Succeeded Stopped" aws codepipeline get-pipeline-state --name stop --query "$stages"
