#!/usr/bin/env bash
# Superseding behind an approval: the newest waits, and none before it does.
. "$(dirname "$0")/../lib.sh"

asked='stageStates[1].[latestExecution.pipelineExecutionId,actionStates[0].latestExecution.token]'
history='reverse(pipelineExecutionSummaries)[].[pipelineExecutionId,status]' # oldest first

say "The first edition comes to the approval, and holds stage Release there."
push "The first edition"
await '*-* *-*' aws codepipeline get-pipeline-state --name superseding --query "$asked"
read -r first token <<<"$seen"

say "The second one has to wait in front of the stage."
push "The second edition"
await '*-*' aws codepipeline get-pipeline-state --name superseding --query 'stageStates[1].inboundExecution.pipelineExecutionId'
second=$seen

say "The third one takes its place; the second is superseded."
push "The third edition"
await "$first InProgress $second Superseded *-* InProgress" aws codepipeline list-pipeline-executions --pipeline-name superseding --query "$history"
read -r _ _ _ _ third _ <<<"$seen"
await "$third" aws codepipeline get-pipeline-state --name superseding --query 'stageStates[1].inboundExecutions[].pipelineExecutionId'

say "Somebody says yes to the first edition. It leaves, and the third is asked about."
run aws codepipeline put-approval-result --pipeline-name superseding --stage-name Release --action-name Ask \
	--token "$token" --result summary=fine,status=Approved
await "$third *-*" aws codepipeline get-pipeline-state --name superseding --query "$asked"
read -r _ newer <<<"$seen"

say "The answer to the first question is no answer to this one."
refused InvalidApprovalTokenException aws codepipeline put-approval-result --pipeline-name superseding --stage-name Release --action-name Ask \
	--token "$token" --result summary=again,status=Approved

say "Yes to the third edition."
run aws codepipeline put-approval-result --pipeline-name superseding --stage-name Release --action-name Ask \
	--token "$newer" --result summary=fine,status=Approved
await "$first Succeeded $second Superseded $third Succeeded" \
	aws codepipeline list-pipeline-executions --pipeline-name superseding --query "$history"
expect "$commit" aws codepipeline list-pipeline-executions --pipeline-name superseding \
	--query 'pipelineExecutionSummaries[0].sourceRevisions[].revisionId'
