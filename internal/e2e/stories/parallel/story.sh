#!/usr/bin/env bash
# Three in parallel: they do not meet, wait for or supersede each other.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first
asked="actionExecutionDetails[?actionName=='Ask'].[pipelineExecutionId,status,output.executionResult.externalExecutionId]"

# answer EXECUTION RESULT... answers the question that one execution asks.
answer() {
	local execution=$1 result=$2
	run aws codepipeline put-approval-result --pipeline-name parallel --stage-name Release --action-name Ask \
		--token "$(awk -v e="$execution" '$1 == e { print $3 }' <<<"$questions")" --result "summary=$result,status=$result"
}

say "Three executions, of which each builds until there are three that build."
push "Something to build" scratch "$scratch"
await '*-*' aws codepipeline list-pipeline-executions --pipeline-name parallel --query 'pipelineExecutionSummaries[].pipelineExecutionId'
first=$seen
run aws codepipeline start-pipeline-execution --name parallel
second=$seen
run aws codepipeline start-pipeline-execution --name parallel
third=$seen

say "All three come to the approval. In this mode its tokens are in the history of actions,"
await '* InProgress *-* * InProgress *-* * InProgress *-*' \
	aws codepipeline list-action-executions --pipeline-name parallel --query "$asked"
questions=$text

say "and no stage shows who is in it."
expect "" aws codepipeline get-pipeline-state --name parallel \
	--query 'stageStates[].[latestExecution,inboundExecution,inboundExecutions[0]][]'

say "The last one is let through first, the one in the middle is not."
answer "$third" Approved
await "InProgress InProgress Succeeded" aws codepipeline list-pipeline-executions --pipeline-name parallel --query "$history"
answer "$second" Rejected
await "InProgress Failed Succeeded" aws codepipeline list-pipeline-executions --pipeline-name parallel --query "$history"
answer "$first" Approved
await "Succeeded Failed Succeeded" aws codepipeline list-pipeline-executions --pipeline-name parallel --query "$history"

say "There is no going back in this mode."
refused UnableToRollbackStageException aws codepipeline rollback-stage --pipeline-name parallel --stage-name Release \
	--target-pipeline-execution-id "$first"
