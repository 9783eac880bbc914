// Package awsfake is what the tests of AWS providers share: an S3 in memory,
// knobs that make the calls of any fake go wrong, and the properties that all
// such providers have.
//
// A fake does its calls [Around] its [Knobs]. One whose calls come one at a
// time, and are counted, does so through a [Service], which is what [Failures]
// drives.
package awsfake

import (
	"archive/zip"
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/aws/smithy-go"
)

// API returns the error that an answer with code and message is.
func API(code, message string) error {
	return &smithy.GenericAPIError{Code: code, Message: message, Fault: smithy.FaultClient}
}

// Error returns what the SDK returns when a service refuses a call with code.
func Error(code string) error {
	fault := smithy.FaultClient
	if code == "InternalFailure" || code == "ServiceUnavailable" {
		fault = smithy.FaultServer
	}
	return &smithy.OperationError{ServiceID: "Fake", OperationName: "Call", Err: &smithy.GenericAPIError{Code: code, Message: "it says " + code, Fault: fault}}
}

// Knobs make calls go wrong. The zero value does not.
type Knobs struct {
	Before func(call string) error // fails a call that is not done
	After  func(call string) error // loses the answer of one that is done
}

// Around does call between the knobs.
func Around[T any](k Knobs, call string, do func() (T, error)) (T, error) {
	var none T
	if k.Before != nil {
		if err := k.Before(call); err != nil {
			return none, err
		}
	}
	out, err := do()
	if err == nil && k.After != nil {
		if err := k.After(call); err != nil {
			return none, err
		}
	}
	return out, err
}

// Zip returns an artifact that holds files.
func Zip(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}
