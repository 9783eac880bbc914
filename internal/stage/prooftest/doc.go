// Package prooftest visits every state that the protocol around [stage.Step]
// can reach with a few executions, a few stages and a few faults, and checks
// every invariant in each.
//
// What decides is the production reducer itself. Around it the package has a
// model of what package orchestrator does: every use case is one transaction,
// so it is one move here; what a transaction leaves in the outbox is delivered
// by later moves, in any order. [TestLikeTheService] holds the model to the
// code: it plays random moves on both and compares what they come to.
//
//	move            stands for
//	arrive          StartExecution: change.begin, change.enqueue; of a rollback RollbackStage: change.restore
//	start           Service.Act of a StartRun: the run calls Enter for its first stage
//	call            Service.Enter or Service.RunAction, called by the open task of a run
//	end, fail       Service.Report, after the work of an action has ended
//	answer          Service.Act of an Answer: the run goes on to its next task
//	admit           Service.Act of an Admit: Service.admitted
//	abort           Service.Act of a StopRun
//	sweep           Service.Sweep, or the end of a run heard: Service.Ended
//	enable, disable Service.SetTransition
//	stop, abandon   Service.StopExecution
//	retry           Service.RetryStage: change.retry
//	retry what failed  the same, while the execution is inside: change.retryBesideOthers
//	the rule holds, fails  Service.Report of the rule of a condition: change.settleGate
//	override        Service.OverrideCondition
//	update          Service.UpdatePipeline: its first transaction
//	the update goes on  its other ones, one at a time: Service.settleUpdate; or, once it was cut
//	                short, those of Service.Deploy; the update before goes on may still do its own
//
// and against it plays the adversary, who has so many of each, and so many in
// all:
//
//	disable, stop, abandon, fail, retry, override, update: what people and builds do
//	cut short the process that does an update is gone between two of its transactions
//	kill      somebody ends a run; a call of it may still be under way and write
//	recall    a task is called again with a new token: the handler crashed before or after
//	          its commit, or the time to wait for it was over
//	linger    a call that was repeated is under way all the same and comes later (a zombie)
//	twice     an Admit is delivered, and is delivered once more later
//	give up   the task of an action ends although nobody said how
//
// A token is only ever compared with that of the open task, so the model keeps
// one bit of it: whether it is live. An answer to a dead token changes nothing,
// so an Answer that is delivered twice needs no move of its own; the walks of
// TestLikeTheService deliver many.
//
// What the protocol has had wrong is repaired, and a rule of the model can
// leave each repair out: see TestFindings.
//
// Left out: more than one action in a stage, more than one rule in a condition,
// and limits. [TestSiblings] walks the service through those and checks the
// invariants alone. That a transaction is one move rests on the version checks
// of the store: see TestLinearizable of package storetest.
package prooftest
