// Package record is what Sluice remembers: the items of the store as Go types,
// their keys, and how to read them.
//
// It holds no rule. Whoever changes a record decides; this package only knows
// where it lies and how it is written. All times are UTC with milliseconds.
//
// # Items
//
//	PIPES                    <pipeline>             that the pipeline exists
//	DELETED                  <pipeline>             its last version, until what it runs is abandoned
//	PIPE#<pipeline>          META                   Pipeline
//	PIPE#<pipeline>          V#<version>            Version, immutable
//	HIST#<pipeline>          <seq>                  execution id, in start order
//	ACTIVE#<pipeline>        <execution>            that the execution has not ended
//	EXEC#<execution>         META                   Execution
//	EXEC#<execution>         ACT#<attempt>#<stage>#<action>#<try>   Action
//	EXEC#<execution>         RULE#<attempt>#<stage>#<gate>#<rule>#<try>   Action, of a rule
//	EXEC#<execution>         GATE#<attempt>#<stage>#<gate>     Gate
//	JOB#<job>                JOB                    ActionID, by the id of the action execution or of a continuation of it
//	JOB#<job>                TOLD                   Told, if a function has answered
//	CALL#<action execution>  CALL                   Call of a function
//	EXT#<external id>        EXT                    ActionID, by what a build service calls its work
//	EXEC#<execution>         TOK#<stage>            Waiter
//	EXEC#<execution>         TURN#<attempt>#<stage> Turns
//	STAGE#<pipeline>#<stage> LOCK                   Stage
//	STAGE#<pipeline>#<stage> ACT#<action>           key of the action's latest execution
//	OUT#<shard>              <id>                   Outbox
//	LINK#<hash>              LINK                   Link to an approval, by the SHA-256 of its secret
//	IDEM#<scope>             <key>                  what a repeated request was answered
//	TRIG#<pipeline>          <time>#<id>            Decision
//
// Names follow CodePipeline's pattern, which has no '#', so a key cannot be
// forged by a name.
package record
