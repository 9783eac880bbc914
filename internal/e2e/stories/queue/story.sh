#!/usr/bin/env bash
# A queue of five: nobody is superseded, and all go in the order they came in.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first

say "The first execution builds, and its build takes its time."
push "Something to build" scratch "$scratch"
await '*-* InProgress' aws codepipeline get-pipeline-state --name queue \
	--query 'stageStates[1].[latestExecution.pipelineExecutionId,latestExecution.status]'
queue=${seen% *}

say "Four more are started, one after the other."
for _ in 2 3 4 5; do
	run aws codepipeline start-pipeline-execution --name queue
	queue+=" $seen"
done

say "They wait in front of the stage, in order."
await "${queue#* }" aws codepipeline get-pipeline-state --name queue --query 'stageStates[1].inboundExecutions[].pipelineExecutionId'
expect "InProgress InProgress InProgress InProgress InProgress" \
	aws codepipeline list-pipeline-executions --pipeline-name queue --query "$history"

say "The build may end now, and so may those that follow it."
touch "$scratch/open"
await "Succeeded Succeeded Succeeded Succeeded Succeeded" \
	aws codepipeline list-pipeline-executions --pipeline-name queue --query "$history"

say "What was built, by the time it began: the order in which they came."
builds="sort_by(actionExecutionDetails[?stageName=='Build'],&startTime)[]"
expect "$queue" aws codepipeline list-action-executions --pipeline-name queue --query "$builds.pipelineExecutionId"

say "No build began before the one in front of it had ended."
run aws codepipeline list-action-executions --pipeline-name queue --query "$builds.[startTime,lastUpdateTime]"
tr ' ' '\n' <<<"$seen" | sort -c || fail "expected: times in order" "saw:      $seen"
