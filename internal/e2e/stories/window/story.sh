#!/usr/bin/env bash
# A deployment window that is closed, and is overridden.
. "$(dirname "$0")/../lib.sh"

condition='stageStates[1].beforeEntryConditionState.[latestExecution.status,conditionStates[0].latestExecution.status,conditionStates[0].ruleStates[0].latestExecution.status]'
rules='ruleExecutionDetails[].[pipelineExecutionId,ruleName,status]'

say "The window opens in 2099. Until then the execution waits at the entry of Release,"
push "The first edition" edition first scratch "$scratch"
await "InProgress InProgress InProgress" aws codepipeline get-pipeline-state --name window --query "$condition"
await "*-* NewYear InProgress" aws codepipeline list-rule-executions --pipeline-name window --query "$rules"
first=${seen%% *}
await "Waits for the window, which opens at 2098-12-31T23:00:00Z" aws codepipeline list-rule-executions --pipeline-name window \
	--query 'ruleExecutionDetails[0].output.executionResult.externalExecutionSummary'

say "which is its own meanwhile: the next one has to wait for it."
push "The second edition" edition second
await "$first InProgress *-*" aws codepipeline get-pipeline-state --name window \
	--query 'stageStates[1].[latestExecution.pipelineExecutionId,latestExecution.status,inboundExecution.pipelineExecutionId]'
second=${seen##* }

say "Who is not inside has no condition to override."
refused NotLatestPipelineExecutionException aws codepipeline override-stage-condition --pipeline-name window --stage-name Release \
	--pipeline-execution-id "$second" --condition-type BEFORE_ENTRY

say "The first edition is let in. It ships, and the second comes to the window."
run aws codepipeline override-stage-condition --pipeline-name window --stage-name Release \
	--pipeline-execution-id "$first" --condition-type BEFORE_ENTRY
await "$second NewYear InProgress $first NewYear Abandoned" aws codepipeline list-rule-executions --pipeline-name window --query "$rules"
expect "first" cat "$scratch/shipped"

say "The first one's condition is history."
refused NotLatestPipelineExecutionException aws codepipeline override-stage-condition --pipeline-name window --stage-name Release \
	--pipeline-execution-id "$first" --condition-type BEFORE_ENTRY

say "The second edition is let in, too."
run aws codepipeline override-stage-condition --pipeline-name window --stage-name Release \
	--pipeline-execution-id "$second" --condition-type BEFORE_ENTRY
await "Succeeded Succeeded" aws codepipeline list-pipeline-executions --pipeline-name window --query 'pipelineExecutionSummaries[].status'
expect "Overridden Overridden Abandoned" aws codepipeline get-pipeline-state --name window --query "$condition"

say "What is decided cannot be overridden."
refused ConditionNotOverridableException aws codepipeline override-stage-condition --pipeline-name window --stage-name Release \
	--pipeline-execution-id "$second" --condition-type BEFORE_ENTRY
