package dynamotest

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// GetItem is the call of that name.
func (f *Fake) GetItem(ctx context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	f.begin("GetItem")
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !aws.ToBool(in.ConsistentRead) {
		return nil, invalid("the fake has only consistent reads")
	}
	if err := checkKey(in.Key); err != nil {
		return nil, err
	}
	return &dynamodb.GetItemOutput{Item: clone(f.find(in.Key))}, nil
}

// BatchGetItem is the call of that name. It answers in no order.
func (f *Fake) BatchGetItem(ctx context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error) {
	f.begin("BatchGetItem")
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}, UnprocessedKeys: map[string]types.KeysAndAttributes{}}
	for table, request := range in.RequestItems {
		if len(request.Keys) == 0 || len(request.Keys) > 100 || !aws.ToBool(request.ConsistentRead) {
			return nil, invalid("a batch has 1 to 100 keys, not %d, and is read consistently", len(request.Keys))
		}
		seen, left, total := map[string]bool{}, []map[string]types.AttributeValue(nil), 0
		for _, i := range f.rng.Perm(len(request.Keys)) {
			key := request.Keys[i]
			if err := checkKey(key); err != nil {
				return nil, err
			}
			name := fingerprint(key)
			if seen[name] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			seen[name] = true
			item := f.find(key)
			if total += size(item); total > maxBatch || f.chance(f.faults.Unprocessed) {
				left = append(left, key)
			} else if item != nil {
				out.Responses[table] = append(out.Responses[table], clone(item))
			}
		}
		if left != nil {
			request.Keys = left
			out.UnprocessedKeys[table] = request
		}
	}
	return out, nil
}

// Query is the call of that name.
func (f *Fake) Query(ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	f.begin("Query")
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !aws.ToBool(in.ConsistentRead) || in.Limit != nil && *in.Limit < 1 {
		return nil, invalid("a query is read consistently, and its limit is positive")
	}
	matches, err := matcher(in)
	if err != nil {
		return nil, err
	}
	items := f.items[stringOf(in.ExpressionAttributeValues[":pk"])]
	keys := slices.Sorted(maps.Keys(items))
	reverse := in.ScanIndexForward != nil && !*in.ScanIndexForward
	if reverse {
		slices.Reverse(keys)
	}
	out, total, start := &dynamodb.QueryOutput{}, 0, stringOf(in.ExclusiveStartKey["sk"])
	for _, sk := range keys {
		if !matches(sk) || start != "" && (!reverse && sk <= start || reverse && sk >= start) {
			continue
		}
		out.Items = append(out.Items, clone(items[sk]))
		total += size(items[sk])
		if total >= f.page || in.Limit != nil && len(out.Items) == int(*in.Limit) {
			// Also behind the last item, since the service has not looked further.
			out.LastEvaluatedKey = attributes{"pk": items[sk]["pk"], "sk": items[sk]["sk"]}
			break
		}
	}
	return out, nil
}

// matcher returns the comparison of sort keys that a query asks for.
func matcher(in *dynamodb.QueryInput) (func(string) bool, error) {
	values := in.ExpressionAttributeValues
	p, a, lo, hi := stringOf(values[":p"]), stringOf(values[":a"]), stringOf(values[":lo"]), stringOf(values[":hi"])
	for name, v := range values {
		if stringOf(v) == "" || len(stringOf(v)) > 1024 {
			return nil, invalid("the value %s of a key is empty or too long", name)
		}
	}
	var used []string
	var matches func(string) bool
	switch aws.ToString(in.KeyConditionExpression) {
	case "pk = :pk":
		matches = func(string) bool { return true }
	case "pk = :pk AND begins_with(sk, :p)":
		used, matches = []string{":p"}, func(sk string) bool { return strings.HasPrefix(sk, p) }
	case "pk = :pk AND sk > :a":
		used, matches = []string{":a"}, func(sk string) bool { return sk > a }
	case "pk = :pk AND sk < :a":
		used, matches = []string{":a"}, func(sk string) bool { return sk < a }
	case "pk = :pk AND sk BETWEEN :lo AND :hi":
		if lo > hi {
			return nil, invalid("The BETWEEN operator requires upper bound to be greater than or equal to lower bound")
		}
		used, matches = []string{":lo", ":hi"}, func(sk string) bool { return lo <= sk && sk <= hi }
	default:
		return nil, invalid("the fake does not know the condition %q", aws.ToString(in.KeyConditionExpression))
	}
	return matches, checkValues(values, append(used, ":pk")...)
}
