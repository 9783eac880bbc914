// Package dynamo is the store in an AWS account: one DynamoDB table, read
// consistently and written in transactions.
//
// An item has these attributes. The table is made with the keys pk and sk and
// with ttl as its time to live.
//
//	pk, sk  S  the key
//	ver     N  the version
//	val     B  the value
//	ttl     N  seconds since 1970, when the item expires; absent: never
//	tx      S  the token of the write that made this version
//
// # Outcomes
//
// A write that ends in a time-out or a fault of the service may have happened.
// Two things find out. All attempts of one Write carry the same request token,
// so DynamoDB applies them once (for ten minutes, far longer than a Write
// takes). And every item says in tx which write made it, so reading back shows
// whether it was ours, even where an equal value was written by somebody else.
// What neither can decide is an error, never a [store.ConflictError].
//
// Writes are retried here, because only who sees every attempt knows whether a
// failed condition is news or the trace of an earlier attempt. Reads are
// retried by the SDK.
package dynamo

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/sluice-ci/sluice/internal/store"
)

// A Client is what the store needs of *dynamodb.Client. These calls, with the
// four kinds of ops inside a transaction, are also what a role must allow.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options)) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// Store keeps items in a table. What Write acknowledged survives the loss of a
// machine and of a data centre.
//
// Two limits of DynamoDB are not in the port: the values of one Write have at
// most 4 MB together, and a partition takes about 1,000 KB of writes a second
// (a transaction counts twice).
type Store struct {
	client Client
	table  string
	pause  time.Duration // the longest wait before the second attempt; doubles with each
}

var _ store.Store = (*Store)(nil)

// New returns the store in table.
func New(client Client, table string) (*Store, error) {
	if client == nil || table == "" {
		return nil, errors.New("dynamo.New: a client and a table are required")
	}
	return &Store{client: client, table: table, pause: 25 * time.Millisecond}, nil
}
