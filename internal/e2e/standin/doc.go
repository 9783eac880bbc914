// Package standin is a stand-in for AWS on loopback, for scenarios that play
// against a deployed system: the real `cdk deploy` provisions the real template
// into it, the real bootstrap binaries run behind the real Lambda Runtime API,
// and an interpreter that is not ours runs the state machines.
//
//	clients, cdk, functions --> Front --Lambda--> bootstrap processes
//	                              |      else
//	                              v
//	                            moto 5.2.1, patched (folder moto), one process for each Start
//
// The front writes down who called what: each function has credentials of its
// own, and those that AssumeRole hands out are known by their role. So a
// scenario can compare the calls of a function with its policy.
//
// # Limits
//
// What is proved here is that template, code, events and permissions fit
// together. What is not, and has to be shown elsewhere or in an account:
//
//	Races       moto is no isolated database. Patches make single items and
//	            transactions of DynamoDB atomic, and nothing else.
//	Refusals    no call is denied: policies are compared with Calls afterwards.
//	            Signatures are checked at function URLs only.
//	Conditions  of policies, bucket policies and trust are not looked at.
//	Delivery    streams and queues are delivered in order by one poller each;
//	            EventBridge does not retry. Lambda retries at once.
//	Schedules   do not run; Tick runs them.
//	Stacks      are there when CreateStack answers. A change of a table, key, log
//	            group, bus or topic is not carried out.
//	Services    such as CodeBuild, CodeDeploy and ECS do nothing that takes time
//	            or fails; a scenario answers for them with Handle.
//	Logs        of functions are files (Logs); nobody calls CloudWatch for them.
//	Limits      of AWS on sizes, rates and names are moto's, so few.
//	Interpreter what a patch decides is our reading of AWS and proves nothing
//	            about AWS. Patches lists them all.
package standin
