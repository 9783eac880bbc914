package dynamo

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/store"
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, key store.Key) (store.Item, error) {
	if err := cmp.Or(ctx.Err(), store.CheckKey(key)); err != nil {
		return store.Item{}, err
	}
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            keyOf(key),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return store.Item{}, fmt.Errorf("read item %s %s: %w", key.PK, key.SK, s.named(err))
	}
	if len(out.Item) == 0 {
		return store.Item{}, &store.NotFoundError{Key: key}
	}
	r, err := decode(out.Item)
	return r.Item, err
}

// GetMany implements store.Store.
func (s *Store) GetMany(ctx context.Context, keys []store.Key) ([]store.Item, error) {
	if err := cmp.Or(ctx.Err(), store.CheckKeys(keys)); err != nil {
		return nil, err
	}
	found, err := s.fetch(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read %d items: %w", len(keys), err)
	}
	var items []store.Item
	given := map[store.Key]bool{}
	for _, key := range keys {
		r, ok := found[key]
		if !ok {
			continue
		}
		if given[key] { // a key may be asked for twice, a value is never shared
			r.Value = append([]byte{}, r.Value...)
		}
		given[key] = true
		items = append(items, r.Item)
	}
	return items, nil
}

// fetch returns the records that exist among keys, of which there are at most
// 100. A batch may come back in part: because the answer is full, or because
// the table is busy.
func (s *Store) fetch(ctx context.Context, keys []store.Key) (map[store.Key]record, error) {
	found := make(map[store.Key]record, len(keys))
	asked := map[store.Key]bool{}
	var batch []attributes
	for _, key := range keys {
		if !asked[key] { // DynamoDB refuses a batch with a key twice
			asked[key] = true
			batch = append(batch, keyOf(key))
		}
	}
	for idle := 0; len(batch) > 0; {
		out, err := s.client.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{
			RequestItems: map[string]types.KeysAndAttributes{s.table: {Keys: batch, ConsistentRead: aws.Bool(true)}},
		})
		if err != nil {
			return nil, s.named(err)
		}
		for _, a := range out.Responses[s.table] {
			r, err := decode(a)
			if err != nil {
				return nil, err
			}
			found[r.Key] = r
		}
		left := out.UnprocessedKeys[s.table].Keys
		if len(left) < len(batch) {
			idle = 0
		} else if idle++; idle == attempts {
			return nil, errors.New("the table is busy: none of the items was read")
		}
		if batch = left; len(batch) > 0 {
			if err := s.rest(ctx, idle); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

// Query implements store.Store.
func (s *Store) Query(ctx context.Context, q store.Query) ([]store.Item, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	run := runOf(q)
	if run.empty {
		return nil, nil
	}
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    &run.condition,
		ExpressionAttributeValues: run.values,
		ScanIndexForward:          aws.Bool(!q.Reverse),
	}
	var items []store.Item
	for {
		if q.Limit > 0 { // one more than needed, for the item that After may meet
			in.Limit = aws.Int32(int32(min(q.Limit-len(items)+1, 1<<30)))
		}
		out, err := s.client.Query(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("query items %s %s*: %w", q.PK, q.Prefix, s.named(err))
		}
		for _, a := range out.Items {
			r, err := decode(a)
			if err != nil {
				return nil, err
			}
			if r.SK == q.After {
				continue
			}
			items = append(items, r.Item)
			if len(items) == q.Limit {
				return items, nil
			}
		}
		if len(out.LastEvaluatedKey) == 0 { // an empty page is not the last
			return items, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}
