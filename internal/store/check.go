package store

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"
)

// The limits of keys and values.
const (
	MaxKey   = 1024    // bytes of each part of a key
	MaxValue = 400_000 // bytes
	MaxKeys  = 100     // keys of one GetMany
)

// CheckOps returns why ops are no valid transaction, or nil. Every adapter
// asks it before it does anything.
func CheckOps(ops []Op) error {
	if len(ops) == 0 {
		return errors.New("transaction has no ops")
	}
	if len(ops) > MaxOps {
		return fmt.Errorf("transaction has %d ops, more than %d", len(ops), MaxOps)
	}
	for i, op := range ops {
		if err := CheckKey(op.Key); err != nil {
			return err
		}
		if len(op.Value) > MaxValue {
			return fmt.Errorf("item %s %s has %d bytes, more than %d", op.PK, op.SK, len(op.Value), MaxValue)
		}
		if op.If < Any {
			return fmt.Errorf("item %s %s has the condition %d, which is no version", op.PK, op.SK, op.If)
		}
		if op.Kind > Check {
			return fmt.Errorf("item %s %s has an op of unknown kind %d", op.PK, op.SK, op.Kind)
		}
		for _, other := range ops[:i] { // at most 100, so a map would be slower
			if other.Key == op.Key {
				return fmt.Errorf("item %s %s is twice in one transaction", op.PK, op.SK)
			}
		}
	}
	return nil
}

// CheckKey returns why key is no valid key, or nil.
func CheckKey(key Key) error {
	switch {
	case key.PK == "" || key.SK == "":
		return fmt.Errorf("key %q %q has an empty part", key.PK, key.SK)
	case len(key.PK) > MaxKey || len(key.SK) > MaxKey:
		return fmt.Errorf("key %.40q… %.40q… has a part of more than %d bytes", key.PK, key.SK, MaxKey)
	case !utf8.ValidString(key.PK) || !utf8.ValidString(key.SK):
		return fmt.Errorf("key %q %q is not UTF-8", key.PK, key.SK) // DynamoDB's strings are
	}
	return nil
}

// CheckKeys returns why keys are no valid argument of GetMany, or nil.
func CheckKeys(keys []Key) error {
	if len(keys) > MaxKeys {
		return fmt.Errorf("%d keys at once, more than %d", len(keys), MaxKeys)
	}
	for _, key := range keys {
		if err := CheckKey(key); err != nil {
			return err
		}
	}
	return nil
}

// Seconds returns t as every adapter keeps it: in UTC, cut to seconds, which
// is what the expiry of DynamoDB can express.
func Seconds(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return time.Unix(t.Unix(), 0).UTC()
}
