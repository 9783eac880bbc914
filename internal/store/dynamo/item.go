package dynamo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/store"
)

// attributes are an item, a key or the values of an expression as DynamoDB
// writes them.
type attributes = map[string]types.AttributeValue

// A record is an item and the token of the write that made it.
type record struct {
	store.Item
	tx string
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// binary never writes null, which a nil slice would become.
func binary(b []byte) types.AttributeValue {
	if b == nil {
		b = []byte{}
	}
	return &types.AttributeValueMemberB{Value: b}
}

func keyOf(key store.Key) attributes { return attributes{"pk": text(key.PK), "sk": text(key.SK)} }

// decode returns the record that a holds. Nobody but this package writes the
// table, so an attribute that is missing or of another type is an error.
func decode(a attributes) (record, error) {
	pk, hasPK := textIn(a["pk"])
	sk, hasSK := textIn(a["sk"])
	version, hasVersion := numberIn(a["ver"])
	value, hasValue := a["val"].(*types.AttributeValueMemberB)
	if !hasPK || !hasSK || !hasVersion || !hasValue {
		return record{}, fmt.Errorf("item %s %s is not of this store: it needs pk and sk (S), ver (N) and val (B)", pk, sk)
	}
	r := record{Item: store.Item{Key: store.Key{PK: pk, SK: sk}, Version: version, Value: value.Value}}
	r.tx, _ = textIn(a["tx"])
	if a["ttl"] != nil {
		seconds, ok := numberIn(a["ttl"])
		if !ok {
			return record{}, fmt.Errorf("item %s %s is not of this store: ttl is no number", pk, sk)
		}
		r.Expires = time.Unix(seconds, 0).UTC()
	}
	return r, nil
}

func textIn(v types.AttributeValue) (string, bool) {
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return "", false
	}
	return s.Value, true
}

func numberIn(v types.AttributeValue) (int64, bool) {
	n, ok := v.(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	i, err := strconv.ParseInt(n.Value, 10, 64)
	return i, err == nil
}
