package dynamotest

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// An op is one item of a transaction, whatever its kind.
type op struct {
	key       attributes
	condition *string
	old       types.ReturnValuesOnConditionCheckFailure
	next      func(attributes) attributes // the item after the op
	size      int
}

// TransactWriteItems is the call of that name.
func (f *Fake) TransactWriteItems(ctx context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	f.begin("TransactWriteItems")
	defer f.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	ops, err := parse(in)
	said := fingerprint(in.TransactItems)
	switch {
	case err != nil:
		return nil, err
	case f.chance(f.faults.Throttle):
		if f.chance(0.5) {
			return nil, cancelled(len(ops), f.rng.IntN(len(ops)), "ThrottlingError")
		}
		return nil, &types.ProvisionedThroughputExceededException{Message: aws.String("too fast")}
	case f.chance(f.faults.Conflict):
		return nil, cancelled(len(ops), f.rng.IntN(len(ops)), "TransactionConflict")
	case f.chance(f.faults.FailBefore):
		return nil, f.trouble()
	case f.chance(f.faults.Late):
		f.late = append(f.late, func() { f.transact(in, said, ops) }) // nobody hears how it ends
		return nil, f.trouble()
	}
	if err := f.transact(in, said, ops); err != nil {
		return nil, err
	}
	if f.chance(f.faults.CommitThenError) {
		return nil, f.trouble()
	}
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

// transact applies all ops or none. f.mu is held.
func (f *Fake) transact(in *dynamodb.TransactWriteItemsInput, said string, ops []op) error {
	token := aws.ToString(in.ClientRequestToken)
	if before, ok := f.tokens[token]; ok && token != "" && !f.faults.ForgetTokens {
		if before != said {
			return &types.IdempotentParameterMismatchException{Message: aws.String("another transaction had this token")}
		}
		return nil
	}
	reasons, failed := make([]types.CancellationReason, len(ops)), false
	for i, op := range ops {
		reasons[i].Code = aws.String("None")
		item := f.find(op.key)
		if holds(op.condition, item, in.TransactItems[i]) {
			continue
		}
		failed = true
		reasons[i].Code = aws.String("ConditionalCheckFailed")
		if op.old == types.ReturnValuesOnConditionCheckFailureAllOld && item != nil {
			reasons[i].Item = clone(item)
		}
	}
	if failed {
		return &types.TransactionCanceledException{Message: aws.String("Transaction cancelled"), CancellationReasons: reasons}
	}
	for _, op := range ops {
		if op.next == nil {
			continue
		}
		if item := op.next(f.find(op.key)); item != nil {
			f.put(item)
		} else {
			delete(f.items[stringOf(op.key["pk"])], stringOf(op.key["sk"]))
		}
	}
	f.tokens[token] = said
	return nil
}

// cancelled returns the error of a transaction of n ops one of which met code.
func cancelled(n, which int, code string) error {
	reasons := make([]types.CancellationReason, n)
	for i := range reasons {
		reasons[i].Code = aws.String("None")
	}
	reasons[which] = types.CancellationReason{Code: &code, Message: aws.String("try again")}
	return &types.TransactionCanceledException{Message: aws.String("Transaction cancelled"), CancellationReasons: reasons}
}

// holds reports whether item fulfils the condition of an op, which is part.
func holds(condition *string, item attributes, part types.TransactWriteItem) bool {
	switch aws.ToString(condition) {
	case "":
		return true
	case "attribute_not_exists(pk)":
		return item == nil
	}
	return item != nil && fingerprint(item["ver"]) == fingerprint(valuesOf(part)[":v"]) // ver = :v
}

func valuesOf(part types.TransactWriteItem) attributes {
	switch {
	case part.Update != nil:
		return part.Update.ExpressionAttributeValues
	case part.Delete != nil:
		return part.Delete.ExpressionAttributeValues
	}
	return part.ConditionCheck.ExpressionAttributeValues
}

// parse returns the ops of a transaction, or why DynamoDB would refuse it
// without a look at the table.
func parse(in *dynamodb.TransactWriteItemsInput) ([]op, error) {
	if n := len(in.TransactItems); n == 0 || n > maxOps {
		return nil, invalid("a transaction has 1 to %d items, not %d", maxOps, n)
	}
	if n := len(aws.ToString(in.ClientRequestToken)); n > 36 {
		return nil, invalid("a token has at most 36 characters, not %d", n)
	}
	var ops []op
	keys, total := map[string]bool{}, 0
	for _, part := range in.TransactItems {
		o, err := parseOp(part)
		if err == nil {
			err = checkKey(o.key)
		}
		name := fingerprint(o.key)
		if err == nil && keys[name] {
			err = invalid("Transaction request cannot include multiple operations on one item")
		}
		if err == nil && o.size > maxItem {
			err = invalid("Item size has exceeded the maximum allowed size")
		}
		if total += o.size; err == nil && total > maxTransaction {
			err = invalid("Collection size of items in transaction cannot exceed 4 MB")
		}
		if err != nil {
			return nil, err
		}
		keys[name] = true
		ops = append(ops, o)
	}
	return ops, nil
}

func parseOp(part types.TransactWriteItem) (op, error) {
	var o op
	var used []string
	switch {
	case part.Update != nil:
		o = op{key: part.Update.Key, condition: part.Update.ConditionExpression, old: part.Update.ReturnValuesOnConditionCheckFailure}
		values := clone(part.Update.ExpressionAttributeValues) // the caller may change its own
		used = []string{":zero", ":one", ":val", ":tx"}
		switch aws.ToString(part.Update.UpdateExpression) {
		case "SET ver = if_not_exists(ver, :zero) + :one, val = :val, tx = :tx REMOVE #ttl":
		case "SET ver = if_not_exists(ver, :zero) + :one, val = :val, tx = :tx, #ttl = :ttl":
			used = append(used, ":ttl")
		default:
			return op{}, invalid("the fake does not know the update %q", aws.ToString(part.Update.UpdateExpression))
		}
		o.next = func(item attributes) attributes {
			after := attributes{"pk": o.key["pk"], "sk": o.key["sk"], "ver": plusOne(item["ver"]), "val": values[":val"], "tx": values[":tx"]}
			if ttl := values[":ttl"]; ttl != nil {
				after["ttl"] = ttl
			}
			return after
		}
		o.size = size(o.next(o.key))
	case part.Delete != nil:
		o = op{key: part.Delete.Key, condition: part.Delete.ConditionExpression, old: part.Delete.ReturnValuesOnConditionCheckFailure}
		o.next = func(attributes) attributes { return nil }
	case part.ConditionCheck != nil:
		o = op{key: part.ConditionCheck.Key, condition: part.ConditionCheck.ConditionExpression, old: part.ConditionCheck.ReturnValuesOnConditionCheckFailure}
		if o.condition == nil {
			return op{}, invalid("a check needs a condition")
		}
	default:
		return op{}, invalid("the fake does not know Put")
	}
	switch aws.ToString(o.condition) {
	case "", "attribute_not_exists(pk)":
	case "ver = :v":
		used = append(used, ":v")
	default:
		return op{}, invalid("the fake does not know the condition %q", *o.condition)
	}
	return o, checkValues(valuesOf(part), used...)
}
