package dynamo_test

import (
	"os"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/store"
	"github.com/sluice-ci/sluice/internal/store/dynamo"
	"github.com/sluice-ci/sluice/internal/store/dynamo/dynamotest"
	"github.com/sluice-ci/sluice/internal/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

func open(t *testing.T, client dynamo.Client, table string) *dynamo.Store {
	t.Helper()
	s, err := dynamo.New(client, table)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// faulty returns a store on a fake, with short pauses.
func faulty(t *testing.T, seed uint64, faults dynamotest.Faults) (*dynamo.Store, *dynamotest.Fake) {
	t.Helper()
	fake := dynamotest.New(seed, faults)
	return dynamo.Hasten(open(t, fake, "table")), fake
}

// The contract holds on a table that refuses, cancels, answers in part and
// loses its acknowledgements. It cannot hold to the letter on one that loses
// requests as well: see TestFaults.
func TestContract(t *testing.T) {
	for name, faults := range map[string]dynamotest.Faults{
		"calm":              {},
		"busy":              {Throttle: 0.05, Conflict: 0.05, Unprocessed: 0.2},
		"commit then error": {CommitThenError: 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				s, fake := faulty(t, 1, faults)
				fake.SmallPages(100)
				return s
			})
		})
	}
}

// Requests reach moto one at a time, so its answers are tested here, and what
// concurrent writers may rely on is not.
func TestContractOnMoto(t *testing.T) {
	awstest.URL(t) // skips here, not in each test
	storetest.Run(t, func(t *testing.T) store.Store {
		return open(t, dynamodb.NewFromConfig(awstest.Config(t)), awstest.Table(t))
	})
}

func TestNew(t *testing.T) {
	if _, err := dynamo.New(nil, "table"); err == nil {
		t.Error("New without a client succeeded")
	}
	if _, err := dynamo.New(dynamotest.New(1, dynamotest.Faults{}), ""); err == nil {
		t.Error("New without a table succeeded")
	}
}

// Items that something else wrote are an error that names them, and do no harm
// to others.
func TestForeignItems(t *testing.T) {
	s, fake := faulty(t, 1, dynamotest.Faults{})
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	value := &types.AttributeValueMemberB{Value: []byte("x")}
	for sk, item := range map[string]map[string]types.AttributeValue{
		"bare":     {},
		"ver text": {"ver": text("1"), "val": value},
		"ver half": {"ver": number("1.5"), "val": value},
		"val text": {"ver": number("1"), "val": text("x")},
		"ttl text": {"ver": number("1"), "val": value, "ttl": text("1")},
	} {
		item["pk"], item["sk"] = text("p"), text(sk)
		fake.Put(item)
		if _, err := s.Get(t.Context(), store.Key{PK: "p", SK: sk}); err == nil || store.IsNotFound(err) {
			t.Errorf("%s: %v; want an error", sk, err)
		}
	}
	fake.Put(map[string]types.AttributeValue{"pk": text("q"), "sk": text("no tx"), "ver": number("3"), "val": value})
	if item, err := s.Get(t.Context(), store.Key{PK: "q", SK: "no tx"}); err != nil || item.Version != 3 {
		t.Errorf("item without tx: %+v, %v; want version 3", item, err)
	}
}

// A table that does not exist is an error that names it, for every call.
func TestNoTable(t *testing.T) {
	s := open(t, dynamodb.NewFromConfig(awstest.Config(t)), "nowhere")
	key := store.Key{PK: "p", SK: "s"}
	_, get := s.Get(t.Context(), key)
	_, many := s.GetMany(t.Context(), []store.Key{key})
	_, query := s.Query(t.Context(), store.Query{PK: "p"})
	for call, err := range map[string]error{"Get": get, "GetMany": many, "Query": query, "Write": s.Write(t.Context(), store.Op{Key: key})} {
		if err == nil || store.IsNotFound(err) || store.IsConflict(err) || !contains(err, "nowhere") {
			t.Errorf("%s: %v; want an error that names the table", call, err)
		}
	}
}

// A page of a query ends at 1 MB, and so does no run.
func TestLargePages(t *testing.T) {
	s, fake := faulty(t, 1, dynamotest.Faults{})
	value := make([]byte, store.MaxValue)
	for _, sk := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		if err := s.Write(t.Context(), store.Op{Key: store.Key{PK: "p", SK: sk}, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	items, err := s.Query(t.Context(), store.Query{PK: "p"})
	if err != nil || len(items) != 7 || fake.Calls("Query") != 3 {
		t.Errorf("%d items in %d pages, %v; want 7 in 3", len(items), fake.Calls("Query"), err)
	}
	many := make([]store.Key, 100)
	for i := range many {
		many[i] = store.Key{PK: "p", SK: string(rune('a' + i))}
		if err := s.Write(t.Context(), store.Op{Key: many[i], If: store.Any, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	items, err = s.GetMany(t.Context(), many) // 40 MB, of which a batch holds 16
	if err != nil || len(items) != 100 || fake.Calls("BatchGetItem") != 3 {
		t.Errorf("%d items in %d batches, %v; want 100 in 3", len(items), fake.Calls("BatchGetItem"), err)
	}
	var ops []store.Op
	for _, key := range many[:11] {
		ops = append(ops, store.Op{Key: key, If: store.Any, Value: value})
	}
	if err := s.Write(t.Context(), ops...); err == nil || store.IsConflict(err) {
		t.Errorf("Write of more than 4 MB: %v; want an error", err)
	}
}

// A batch that a busy table leaves whole again and again is given up; a key
// that is asked for twice comes twice, and apart.
func TestGetMany(t *testing.T) {
	key := store.Key{PK: "p", SK: "s"}
	synctest.Test(t, func(t *testing.T) {
		fake := dynamotest.New(1, dynamotest.Faults{Unprocessed: 1})
		_, err := open(t, fake, "table").GetMany(t.Context(), []store.Key{key})
		if n := fake.Calls("BatchGetItem"); err == nil || n != dynamo.Attempts {
			t.Errorf("%d attempts, %v; want an error after %d", n, err, dynamo.Attempts)
		}
	})
	s, _ := faulty(t, 1, dynamotest.Faults{})
	if err := s.Write(t.Context(), store.Op{Key: key, Value: []byte("abc")}); err != nil {
		t.Fatal(err)
	}
	items, err := s.GetMany(t.Context(), []store.Key{key, key})
	if err != nil || len(items) != 2 {
		t.Fatalf("%v, %v; want the item twice", items, err)
	}
	items[0].Value[0] = 'X'
	if string(items[1].Value) != "abc" {
		t.Errorf("the second is %s; want it untouched by a change of the first", items[1].Value)
	}
}

// TestLast holds that last is the end of a prefix: valid, as long as a key may
// be, and with nothing behind it.
func TestLast(t *testing.T) {
	for n := range 9 {
		prefix := string(make([]byte, n))
		key := dynamo.Last(prefix)
		if err := store.CheckKey(store.Key{PK: "p", SK: key}); err != nil || len(key) != store.MaxKey {
			t.Errorf("last of %d bytes: %v, %d bytes; want %d", n, err, len(key), store.MaxKey)
		}
	}
}
