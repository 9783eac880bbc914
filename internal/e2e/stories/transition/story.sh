#!/usr/bin/env bash
# A transition is disabled, executions pile up in front of it, it is enabled.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first

say "The way out of Source is closed. It is the way into Release."
run aws codepipeline disable-stage-transition --pipeline-name transition --stage-name Source --transition-type Outbound \
	--reason "Nothing ships on Fridays"
expect "False Nothing ships on Fridays *" aws codepipeline get-pipeline-state --name transition \
	--query 'stageStates[1].inboundTransitionState.[enabled,disabledReason,lastChangedBy]'

say "Three pushes pile up: one waits, and the next takes its place."
push "The first edition" edition first scratch "$scratch"
await "InProgress" aws codepipeline list-pipeline-executions --pipeline-name transition --query "$history"
push "The second edition" edition second
await "Superseded InProgress" aws codepipeline list-pipeline-executions --pipeline-name transition --query "$history"
push "The third edition" edition third
await "Superseded Superseded InProgress" aws codepipeline list-pipeline-executions --pipeline-name transition --query "$history"

say "The third waits in front of the stage, which nobody has entered."
expect "*-* None" aws codepipeline get-pipeline-state --name transition \
	--query 'stageStates[1].[inboundExecution.pipelineExecutionId,latestExecution]'

say "The way is opened, and the last edition ships."
run aws codepipeline enable-stage-transition --pipeline-name transition --stage-name Release --transition-type Inbound
await "Superseded Superseded Succeeded" aws codepipeline list-pipeline-executions --pipeline-name transition --query "$history"
expect "True Succeeded" aws codepipeline get-pipeline-state --name transition \
	--query 'stageStates[1].[inboundTransitionState.enabled,latestExecution.status]'
expect "third" cat "$scratch/shipped"
