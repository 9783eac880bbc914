package record

import (
	"fmt"
	"strings"

	"github.com/sluice-ci/sluice/internal/store"
)

// PipelinesKey is the partition that lists the pipelines by name.
const PipelinesKey = "PIPES"

// DeletedKey is the partition that lists the pipelines by name that were
// deleted and run something still, with their last versions.
const DeletedKey = "DELETED"

// OutboxShards is how many partitions the outbox has.
const OutboxShards = 16

// PipelineKey is the key of a Pipeline.
func PipelineKey(name string) store.Key { return store.Key{PK: "PIPE#" + name, SK: "META"} }

// VersionKey is the key of a Version.
func VersionKey(name string, version int) store.Key {
	return store.Key{PK: "PIPE#" + name, SK: fmt.Sprintf("V#%08d", version)}
}

// HistoryKey is the key of the pointer to the seq-th execution.
func HistoryKey(name string, seq int64) store.Key {
	return store.Key{PK: "HIST#" + name, SK: fmt.Sprintf("%012d", seq)}
}

// IsVersion reports whether key is that of a Version.
func IsVersion(key store.Key) bool {
	return strings.HasPrefix(key.PK, "PIPE#") && strings.HasPrefix(key.SK, "V#")
}

// ActiveKey is the key of the mark that an execution has not ended.
func ActiveKey(name, execution string) store.Key {
	return store.Key{PK: "ACTIVE#" + name, SK: execution}
}

// ExecutionKey is the key of an Execution.
func ExecutionKey(id string) store.Key { return store.Key{PK: "EXEC#" + id, SK: "META"} }

// ActionKey is the key of one try of an action. Attempt is the execution's,
// try counts the times its work was lost.
func ActionKey(execution string, attempt int, stage, action string, try int) store.Key {
	return store.Key{PK: "EXEC#" + execution, SK: fmt.Sprintf("ACT#%04d#%s#%s#%02d", attempt, stage, action, try)}
}

// RuleKey is the key of one try of a rule.
func RuleKey(id ActionID) store.Key {
	return store.Key{PK: "EXEC#" + id.Execution, SK: fmt.Sprintf("RULE#%04d#%s#%s#%s#%02d", id.Attempt, id.Stage, id.Gate, id.Name, id.Try)}
}

// GateKey is the key of a Gate.
func GateKey(execution string, attempt int, stage string, kind GateKind) store.Key {
	return store.Key{PK: "EXEC#" + execution, SK: fmt.Sprintf("GATE#%04d#%s#%s", attempt, stage, kind)}
}

// JobKey is the key of the ActionID of an action execution, found by its id or
// by that of a job that continues it.
func JobKey(id string) store.Key { return store.Key{PK: "JOB#" + id, SK: "JOB"} }

// ExternalKey is the key of the ActionID of an action execution, found by what
// the service that does its work calls that.
func ExternalKey(id string) store.Key { return store.Key{PK: "EXT#" + id, SK: "EXT"} }

// WaiterKey is the key of a Waiter.
func WaiterKey(execution, stage string) store.Key {
	return store.Key{PK: "EXEC#" + execution, SK: "TOK#" + stage}
}

// StageKey is the key of a Stage.
func StageKey(pipeline, stage string) store.Key {
	return store.Key{PK: "STAGE#" + pipeline + "#" + stage, SK: "LOCK"}
}

// LatestKey is the key of the pointer to the latest execution of an action.
func LatestKey(pipeline, stage, action string) store.Key {
	return store.Key{PK: "STAGE#" + pipeline + "#" + stage, SK: "ACT#" + action}
}

// OutboxKey is the key of an Outbox row.
func OutboxKey(shard int, id string) store.Key {
	return store.Key{PK: fmt.Sprintf("OUT#%02d", shard), SK: id}
}

// IsOutbox reports whether key is that of an Outbox row.
func IsOutbox(key store.Key) bool { return strings.HasPrefix(key.PK, "OUT#") }

// IdempotencyKey is the key of the answer to a request that may be repeated.
func IdempotencyKey(scope, key string) store.Key { return store.Key{PK: "IDEM#" + scope, SK: key} }

// DecisionKey is the key of a Decision.
func DecisionKey(pipeline, at, id string) store.Key {
	return store.Key{PK: "TRIG#" + pipeline, SK: at + "#" + id}
}
