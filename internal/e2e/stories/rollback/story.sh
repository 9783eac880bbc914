#!/usr/bin/env bash
# Rollback: by itself when a deployment fails, and by hand.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first
last='pipelineExecutionSummaries[0].[executionType,trigger.triggerType,rollbackMetadata.rollbackTargetPipelineExecutionId]'
ids='reverse(pipelineExecutionSummaries)[].pipelineExecutionId'

say "The first title goes live."
push "The first title" title first scratch "$scratch"
await "Succeeded" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$history"
run aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$ids"
first=$seen
expect "first" cat "$scratch/live"

say "So does a broken one. The test notices, and the stage goes back to what it was before."
push "A broken title" title broken
await "Succeeded Failed Succeeded" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$history"
expect "ROLLBACK AutomatedRollback $first" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$last"
expect "first" cat "$scratch/live"
run aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$ids"
read -r _ failed automatic <<<"$seen"
expect "$automatic ROLLBACK Succeeded" aws codepipeline get-pipeline-state --name rollback \
	--query 'stageStates[1].latestExecution.[pipelineExecutionId,type,status]'

say "The second title goes live."
push "The second title" title second
await "Succeeded Failed Succeeded Succeeded" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$history"
expect "second" cat "$scratch/live"

say "Somebody prefers the first one. The service says what one may go back to,"
expect "*-* $first" aws codepipeline list-pipeline-executions --pipeline-name rollback \
	--filter succeededInStage={stageName=Deploy} --query 'pipelineExecutionSummaries[].pipelineExecutionId'
run aws codepipeline rollback-stage --pipeline-name rollback --stage-name Deploy --target-pipeline-execution-id "$first"
await "Succeeded Failed Succeeded Succeeded Succeeded" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$history"
expect "ROLLBACK ManualRollback $first" aws codepipeline list-pipeline-executions --pipeline-name rollback --query "$last"
expect "first" cat "$scratch/live"

say "and to nothing else: not to what failed, not to a rollback, not to what never was,"
refused UnableToRollbackStageException aws codepipeline rollback-stage --pipeline-name rollback --stage-name Deploy \
	--target-pipeline-execution-id "$failed"
refused UnableToRollbackStageException aws codepipeline rollback-stage --pipeline-name rollback --stage-name Deploy \
	--target-pipeline-execution-id "$automatic"
refused PipelineExecutionNotFoundException aws codepipeline rollback-stage --pipeline-name rollback --stage-name Deploy \
	--target-pipeline-execution-id 00000000-0000-4000-8000-000000000000

say "and not in the stage of the sources."
refused UnableToRollbackStageException aws codepipeline rollback-stage --pipeline-name rollback --stage-name Source \
	--target-pipeline-execution-id "$first"
