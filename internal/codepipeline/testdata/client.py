"""Drives a server with boto3 as a user would. Prints "ok" at the end."""

import datetime
import sys

import boto3
from botocore.config import Config

endpoint, execution, token = sys.argv[1:]
pipelines = boto3.client(
    "codepipeline",
    endpoint_url=endpoint,
    region_name="us-east-1",
    aws_access_key_id="AKIDEXAMPLE",
    aws_secret_access_key="secret",
    config=Config(retries={"max_attempts": 1}),
)

pages = pipelines.get_paginator("list_pipelines").paginate(PaginationConfig={"PageSize": 5})
names = [p["name"] for page in pages for p in page["pipelines"]]
assert names == sorted(names) and len(names) == 12, names

pages = pipelines.get_paginator("list_action_executions").paginate(pipelineName="web", PaginationConfig={"PageSize": 2})
starts = [a["startTime"] for page in pages for a in page["actionExecutionDetails"]]
assert starts == sorted(starts, reverse=True) and len(starts) == 7, starts

declared = pipelines.get_pipeline(name="web")
assert declared["metadata"]["created"] == datetime.datetime(2026, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc), declared
assert pipelines.update_pipeline(pipeline=declared["pipeline"])["pipeline"] == declared["pipeline"]
assert pipelines.create_pipeline(pipeline=declared["pipeline"], tags=[{"key": "a", "value": ""}])["tags"] == [{"key": "a", "value": ""}]

state = pipelines.get_pipeline_state(name="web")["stageStates"][2]
assert state["actionStates"][0]["latestExecution"]["token"] == token, state
answer = {"summary": "", "status": "Approved"}
pipelines.put_approval_result(pipelineName="web", stageName="Deploy", actionName="Ask", result=answer, token=token)
assert pipelines.start_pipeline_execution(name="web")["pipelineExecutionId"]
job = "dddddddd-0000-4000-8000-000000000005"
details = {"summary": "checked", "externalExecutionId": "x-1", "percentComplete": 50}
revision = {"revision": "abc", "changeIdentifier": "c1", "created": datetime.datetime.now(), "revisionSummary": "Paint"}
pipelines.put_job_success_result(jobId=job, currentRevision=revision, executionDetails=details, outputVariables={"SIZE": "12"})
pipelines.put_job_success_result(jobId=job, continuationToken="page-2")
pipelines.put_job_failure_result(jobId=job, failureDetails={"type": "JobFailed", "message": "no"})
pipelines.stop_pipeline_execution(pipelineName="web", pipelineExecutionId=execution)
pipelines.rollback_stage(pipelineName="web", stageName="Build", targetPipelineExecutionId=execution)
pipelines.override_stage_condition(pipelineName="web", stageName="Build", pipelineExecutionId=execution, conditionType="BEFORE_ENTRY")
pipelines.list_rule_executions(pipelineName="web")
pipelines.retry_stage_execution(pipelineName="web", stageName="Build", pipelineExecutionId=execution, retryMode="ALL_ACTIONS")
pipelines.disable_stage_transition(pipelineName="web", stageName="Build", transitionType="Inbound", reason="freeze")
pipelines.enable_stage_transition(pipelineName="web", stageName="Build", transitionType="Inbound")
pipelines.delete_pipeline(name="web")

try:
    pipelines.get_pipeline(name="wep")
    raise AssertionError("a pipeline that does not exist was found")
except pipelines.exceptions.PipelineNotFoundException as e:
    assert "does not include a pipeline named 'wep'" in str(e), e
print("ok")
