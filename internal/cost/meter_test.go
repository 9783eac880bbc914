package cost_test

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/store/dynamo"
)

// A meter counts what DynamoDB would bill for the calls it hands on.
//
// A read that is consistent takes one unit for each 4 KB, at least one; a
// batch item by item, a query for all it returns together. A part of a
// transaction takes two write units for each KB of its item, the larger of
// before and after; a condition check counts as a part.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
type meter struct {
	dynamo.Client
	reads, writes int
	sizes         map[string]int // of what was written, by key
}

func newMeter(c dynamo.Client) *meter { return &meter{Client: c, sizes: map[string]int{}} }

// readUnits of so many bytes.
func readUnits(bytes int) int { return max(1, (bytes+4095)/4096) }

// writeUnits of so many bytes, in a transaction.
func writeUnits(bytes int) int { return 2 * max(1, (bytes+1023)/1024) }

func (m *meter) GetItem(ctx context.Context, in *dynamodb.GetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	out, err := m.Client.GetItem(ctx, in, o...)
	if err == nil {
		m.reads += readUnits(size(out.Item))
	}
	return out, err
}

func (m *meter) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	out, err := m.Client.BatchGetItem(ctx, in, o...)
	if err == nil {
		for table, asked := range in.RequestItems {
			found := out.Responses[table]
			m.reads += len(asked.Keys) - len(found) // a unit each for what is not there
			for _, item := range found {
				m.reads += readUnits(size(item))
			}
		}
	}
	return out, err
}

func (m *meter) Query(ctx context.Context, in *dynamodb.QueryInput, o ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	out, err := m.Client.Query(ctx, in, o...)
	if err == nil {
		n := 0
		for _, item := range out.Items {
			n += size(item)
		}
		m.reads += readUnits(n)
	}
	return out, err
}

func (m *meter) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	out, err := m.Client.TransactWriteItems(ctx, in, o...)
	for _, part := range in.TransactItems { // a transaction that is cancelled is billed as well
		switch {
		case part.Update != nil:
			key := keyText(part.Update.Key)
			after := size(part.Update.Key) + written(part.Update.ExpressionAttributeValues)
			m.writes += writeUnits(max(m.sizes[key], after))
			if err == nil {
				m.sizes[key] = after
			}
		case part.Delete != nil:
			key := keyText(part.Delete.Key)
			m.writes += writeUnits(m.sizes[key])
			if err == nil {
				delete(m.sizes, key)
			}
		case part.ConditionCheck != nil:
			m.writes += writeUnits(m.sizes[keyText(part.ConditionCheck.Key)])
		default:
			panic("a part of a transaction that the meter does not know")
		}
	}
	return out, err
}

// written is the size of what an update by package dynamo sets: the value, the
// version, the token of the write, the time of expiry.
func written(values map[string]types.AttributeValue) int {
	n := len("ver") + 3
	for name, v := range values {
		switch name {
		case ":val", ":tx", ":ttl":
			n += size(map[string]types.AttributeValue{name[1:]: v})
		}
	}
	return n
}

func keyText(key map[string]types.AttributeValue) string {
	return key["pk"].(*types.AttributeValueMemberS).Value + "\x00" + key["sk"].(*types.AttributeValueMemberS).Value
}

// size is what DynamoDB takes an item to be: names and values; a number is
// about half its digits.
func size(item map[string]types.AttributeValue) (n int) {
	for name, v := range item {
		n += len(name)
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			n += len(v.Value)
		case *types.AttributeValueMemberN:
			n += (len(v.Value)+1)/2 + 1
		case *types.AttributeValueMemberB:
			n += len(v.Value)
		}
	}
	return n
}
