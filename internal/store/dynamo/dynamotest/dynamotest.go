// Package dynamotest is a DynamoDB for tests: one table in memory that answers
// the calls of package dynamo, one at a time, and fails on request as the
// service does.
//
// It understands what package dynamo says and nothing else; any other
// expression is an error. That its answers are those of an independent
// implementation is shown by a test of package dynamo, which compares both.
package dynamotest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// The limits of DynamoDB.
const (
	maxItem        = 400 << 10
	maxTransaction = 4 << 20
	maxPage        = 1 << 20
	maxBatch       = 16 << 20
	maxOps         = 100
)

// Faults says how often a call goes wrong: of one call, 0 never and 1 always.
type Faults struct {
	Throttle        float64 // a write is refused because the table is busy
	Conflict        float64 // a transaction is cancelled because of another
	FailBefore      float64 // a write ends in an error, and nothing happened
	CommitThenError float64 // a write ends in an error, and was applied
	Late            float64 // a write ends in a time-out, and is applied by the next call
	Unprocessed     float64 // a key of a batch is left for later
	ForgetTokens    bool    // request tokens mean nothing, as in some emulators
}

// Fake is a table. It is linearizable. Create it with [New].
type Fake struct {
	faults Faults
	page   int // bytes of one page of a query

	mu     sync.Mutex
	rng    *rand.Rand                       // guarded by mu
	items  map[string]map[string]attributes // by pk and sk; guarded by mu
	tokens map[string]string                // what each applied transaction said; guarded by mu
	late   []func()                         // what has yet to happen; guarded by mu
	calls  map[string]int                   // by operation; guarded by mu
}

type attributes = map[string]types.AttributeValue

// New returns an empty table that fails as faults say. The seed makes the
// choice the same each time, as far as calls come in the same order.
func New(seed uint64, faults Faults) *Fake {
	return &Fake{
		faults: faults, page: maxPage, rng: rand.New(rand.NewPCG(seed, 0)),
		items: map[string]map[string]attributes{}, tokens: map[string]string{}, calls: map[string]int{},
	}
}

// SmallPages makes pages of queries end after that many bytes.
func (f *Fake) SmallPages(bytes int) { f.page = bytes }

// Settle lets everything happen that is late.
func (f *Fake) Settle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle()
}

// Calls returns how often an operation was called, failed calls included.
func (f *Fake) Calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[operation]
}

// Put writes an item as it is, behind the back of every store.
func (f *Fake) Put(item map[string]types.AttributeValue) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put(clone(item))
}

// begin opens a call: what is late has happened by then.
func (f *Fake) begin(operation string) {
	f.mu.Lock()
	f.calls[operation]++
	f.settle()
}

// settle lets everything happen that is late. f.mu is held.
func (f *Fake) settle() {
	for _, apply := range f.late {
		apply()
	}
	f.late = nil
}

// chance reports whether something of that probability happens. f.mu is held.
func (f *Fake) chance(p float64) bool { return p > 0 && f.rng.Float64() < p }

// trouble returns one of the errors after which nobody knows what happened.
// f.mu is held.
func (f *Fake) trouble() error {
	return []error{
		&types.InternalServerError{Message: aws.String("Internal server error")},
		&smithy.GenericAPIError{Code: "ServiceUnavailable", Message: "try again", Fault: smithy.FaultServer},
		fmt.Errorf("read tcp: %w", syscall.ECONNRESET),
		errors.New("net/http: timeout awaiting response headers"),
	}[f.rng.IntN(4)]
}

// find returns the item of a key. f.mu is held.
func (f *Fake) find(key attributes) attributes {
	return f.items[stringOf(key["pk"])][stringOf(key["sk"])]
}

// put writes an item. f.mu is held.
func (f *Fake) put(item attributes) {
	pk := stringOf(item["pk"])
	if f.items[pk] == nil {
		f.items[pk] = map[string]attributes{}
	}
	f.items[pk][stringOf(item["sk"])] = item
}

func stringOf(v types.AttributeValue) string {
	if s, ok := v.(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// clone returns a copy that shares nothing.
func clone(a attributes) attributes {
	a = maps.Clone(a)
	for name, v := range a {
		if b, ok := v.(*types.AttributeValueMemberB); ok {
			a[name] = &types.AttributeValueMemberB{Value: bytes.Clone(b.Value)}
		}
	}
	return a
}

// size returns how large DynamoDB takes an item to be, roughly.
func size(a attributes) (n int) {
	for name, v := range a {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += len(v.Value)/2 + 1
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		}
	}
	return n
}

func invalid(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationException", Message: fmt.Sprintf(format, args...), Fault: smithy.FaultClient}
}

// checkKey returns why DynamoDB refuses a key, or nil.
func checkKey(key attributes) error {
	pk, sk := stringOf(key["pk"]), stringOf(key["sk"])
	if len(key) != 2 || pk == "" || sk == "" || len(pk) > 2048 || len(sk) > 1024 {
		return invalid("the provided key %v does not match the schema", key)
	}
	return nil
}

// checkValues returns an error unless values are exactly those that the
// expressions use: DynamoDB wants all of them, and no other.
func checkValues(values attributes, used ...string) error {
	slices.Sort(used)
	if got := slices.Sorted(maps.Keys(values)); !slices.Equal(got, used) {
		return invalid("the expressions use the values %v and have %v", used, got)
	}
	return nil
}

func fingerprint(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // of what the SDK made
	}
	return string(b)
}

func plusOne(v types.AttributeValue) types.AttributeValue {
	var n int64
	if v, ok := v.(*types.AttributeValueMemberN); ok {
		n, _ = strconv.ParseInt(v.Value, 10, 64)
	}
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n+1, 10)}
}
