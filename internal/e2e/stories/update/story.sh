#!/usr/bin/env bash
# An update in flight: what is under way is cancelled, unless it is PARALLEL.
# On a laptop only: in an account pipelines are changed by deploying them.
. "$(dirname "$0")/../lib.sh"

history='reverse(pipelineExecutionSummaries)[].status' # oldest first

# change EDIT VERSION edits the definition, which becomes that version.
change() {
	show aws codepipeline get-pipeline --name update --query '{pipeline: pipeline}' --output json
	aws codepipeline get-pipeline --name update --query '{pipeline: pipeline}' --output json >"$scratch/was.json"
	show sed "$1"
	sed "$1" "$scratch/was.json" >"$scratch/update.json"
	expect "$2" aws codepipeline update-pipeline --cli-input-json "file://$scratch/update.json" --query pipeline.version
}

say "One execution builds, the next one waits for it."
push "Something to build" scratch "$scratch"
await "$scratch/begun" find "$scratch" -name begun
run aws codepipeline start-pipeline-execution --name update
await "$seen" aws codepipeline get-pipeline-state --name update --query 'stageStates[1].inboundExecution.pipelineExecutionId'

say "The definition changes. What waits is cancelled at once, what runs may finish."
change 's/edition one/edition two/' 2
await "InProgress Cancelled" aws codepipeline list-pipeline-executions --pipeline-name update --query "$history"
touch "$scratch/end"
await "Cancelled Cancelled" aws codepipeline list-pipeline-executions --pipeline-name update --query "$history"
expect "1 Succeeded" aws codepipeline list-action-executions --pipeline-name update \
	--query "actionExecutionDetails[?actionName=='Compile'].[pipelineVersion,status]"
run aws codepipeline list-pipeline-executions --pipeline-name update --query 'pipelineExecutionSummaries[1].pipelineExecutionId'
first=$seen

say "Nothing of it can be retried, nor gone back to."
refused StageNotRetryableException aws codepipeline retry-stage-execution --pipeline-name update --stage-name Build \
	--pipeline-execution-id "$first" --retry-mode ALL_ACTIONS
refused PipelineExecutionOutdatedException aws codepipeline rollback-stage --pipeline-name update --stage-name Build \
	--target-pipeline-execution-id "$first"

say "The next execution comes to the approval, and the definition changes again."
run aws codepipeline start-pipeline-execution --name update
await '*-*' aws codepipeline get-pipeline-state --name update --query 'stageStates[2].actionStates[0].latestExecution.token'
token=$seen
change 's/edition two/edition three/' 3
await "Cancelled Cancelled Cancelled" aws codepipeline list-pipeline-executions --pipeline-name update --query "$history"

say "The question is gone, and nobody can answer it."
expect "Cancelled Failed The approval action has been canceled." aws codepipeline get-pipeline-state --name update \
	--query 'stageStates[2].[latestExecution.status,actionStates[0].latestExecution.[status,summary,token]][]'
refused InvalidApprovalTokenException aws codepipeline put-approval-result --pipeline-name update --stage-name Release --action-name Ask \
	--token "$token" --result summary=fine,status=Approved

say "From now on executions are PARALLEL. Two of them come to the approval."
change 's/"SUPERSEDED"/"PARALLEL"/' 4
run aws codepipeline start-pipeline-execution --name update
run aws codepipeline start-pipeline-execution --name update
asked="actionExecutionDetails[?status=='InProgress'].[pipelineVersion,input.configuration.CustomData,output.executionResult.externalExecutionId]"
await "4 Ship edition three[?] *-* 4 Ship edition three[?] *-*" \
	aws codepipeline list-action-executions --pipeline-name update --query "$asked"
read -r one two <<<"$(awk '{ print $NF }' <<<"$text" | tr '\n' ' ')"

say "A change leaves them alone. Each ends with the definition that it began with."
change 's/edition three/edition four/' 5
expect "Cancelled Cancelled Cancelled InProgress InProgress" \
	aws codepipeline list-pipeline-executions --pipeline-name update --query "$history"
for token in $one $two; do
	run aws codepipeline put-approval-result --pipeline-name update --stage-name Release --action-name Ask \
		--token "$token" --result summary=fine,status=Approved
done
await "Cancelled Cancelled Cancelled Succeeded Succeeded" \
	aws codepipeline list-pipeline-executions --pipeline-name update --query "$history"
run aws codepipeline list-pipeline-executions --pipeline-name update --query 'pipelineExecutionSummaries[0].pipelineExecutionId'
expect "4 Succeeded" aws codepipeline get-pipeline-execution --pipeline-name update --pipeline-execution-id "$seen" \
	--query 'pipelineExecution.[pipelineVersion,status]'
