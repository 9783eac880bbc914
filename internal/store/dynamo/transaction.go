package dynamo

import (
	"crypto/rand"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/store"
)

// A transaction is a Write as DynamoDB takes it.
type transaction struct {
	ops   []store.Op // one for each item of input
	token string
	input *dynamodb.TransactWriteItemsInput
}

// transaction returns the transaction of ops. A check without a condition asks
// nothing, and DynamoDB has no such thing.
func (s *Store) transaction(ops []store.Op) transaction {
	w := transaction{token: rand.Text()}
	w.input = &dynamodb.TransactWriteItemsInput{ClientRequestToken: &w.token}
	for _, op := range ops {
		if op.Kind == store.Check && op.If == store.Any {
			continue
		}
		w.ops = append(w.ops, op)
		w.input.TransactItems = append(w.input.TransactItems, s.item(op, w.token))
	}
	return w
}

// item returns op as a part of the transaction called token.
func (s *Store) item(op store.Op, token string) types.TransactWriteItem {
	condition, values := conditionOf(op)
	old := types.ReturnValuesOnConditionCheckFailureAllOld
	switch op.Kind {
	case store.Check:
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &s.table, Key: keyOf(op.Key), ReturnValuesOnConditionCheckFailure: old,
			ConditionExpression: condition, ExpressionAttributeValues: values,
		}}
	case store.Delete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &s.table, Key: keyOf(op.Key), ReturnValuesOnConditionCheckFailure: old,
			ConditionExpression: condition, ExpressionAttributeValues: values,
		}}
	}
	if values == nil {
		values = attributes{}
	}
	values[":zero"], values[":one"] = number(0), number(1)
	values[":val"], values[":tx"] = binary(op.Value), text(token)
	update := "SET ver = if_not_exists(ver, :zero) + :one, val = :val, tx = :tx"
	if op.Expires.IsZero() {
		update += " REMOVE #ttl"
	} else {
		update += ", #ttl = :ttl"
		values[":ttl"] = number(op.Expires.Unix())
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &s.table, Key: keyOf(op.Key), ReturnValuesOnConditionCheckFailure: old,
		ConditionExpression: condition, ExpressionAttributeValues: values,
		UpdateExpression:         &update,
		ExpressionAttributeNames: map[string]string{"#ttl": "ttl"}, // a reserved word
	}}
}

// conditionOf returns the condition of op and the values it uses.
func conditionOf(op store.Op) (*string, attributes) {
	switch op.If {
	case store.Any:
		return nil, nil
	case 0:
		return aws.String("attribute_not_exists(pk)"), nil
	}
	return aws.String("ver = :v"), attributes{":v": number(op.If)}
}
