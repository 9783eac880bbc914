package entry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/sluice-ci/sluice/events"
)

// A RefusedError says that a payload is not what a function takes. Sent again
// it would be refused again.
type RefusedError struct{ reason string }

// Error implements error.
func (e *RefusedError) Error() string { return e.reason }

// Refusef returns a RefusedError. The format must not let in what a payload
// holds, except names.
func Refusef(format string, args ...any) error {
	return &RefusedError{fmt.Sprintf(format, args...)}
}

// Decode reads payload, which we wrote ourselves, as a T: members that T does
// not have are refused, and so are members that T needs and that are missing
// or empty. T needs those whose tag has no omitempty or omitzero; kind is what the payload
// is called in errors.
func Decode[T any](kind string, payload []byte) (T, error) {
	var v T
	d := json.NewDecoder(bytes.NewReader(payload))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		return v, Refusef("%s: %s", kind, reason(err))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return v, Refusef("%s: there is something behind the JSON object", kind)
	}
	if missing := absent(reflect.ValueOf(v), ""); len(missing) > 0 {
		return v, Refusef("%s: missing or empty: %s", kind, strings.Join(missing, ", "))
	}
	return v, nil
}

// reason says what is wrong with JSON and where, without quoting a value.
func reason(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("%s is a JSON %s and should be %s", orWhole(e.Field), strings.Fields(e.Value)[0], e.Type)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("not JSON, at byte %d", e.Offset)
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return "unknown member " + field
	}
	return "not JSON: it breaks off"
}

func orWhole(field string) string {
	if field == "" {
		return "the payload"
	}
	return field
}

// absent returns the paths of the members of v that have no value and need one.
func absent(v reflect.Value, path string) []string {
	var all []string
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		name, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		switch field := v.Field(i); {
		case strings.Contains(options, "omitempty"), strings.Contains(options, "omitzero"):
		case field.Kind() == reflect.Struct:
			all = append(all, absent(field, path+name+".")...)
		case field.IsZero():
			all = append(all, path+name)
		}
	}
	return all
}

// DecodeOpen reads payload, which AWS wrote, as a T. AWS may add members at any
// time, so those that T does not have are ignored; the caller checks those that
// it needs.
func DecodeOpen[T any](kind string, payload []byte) (T, error) {
	var v T
	if err := json.Unmarshal(payload, &v); err != nil {
		return v, Refusef("%s: %s", kind, reason(err))
	}
	return v, nil
}

// Event reads payload as an event of EventBridge, and what it tells; nil if that
// is nothing that package events knows.
func Event(payload []byte) (events.Envelope, events.Detail, error) {
	in, err := DecodeOpen[events.Envelope]("event", payload)
	if err != nil {
		return in, nil, err
	}
	detail, err := in.Open()
	if err != nil {
		return in, nil, Refusef("event %s: its detail is not that of a %q", in.ID, in.DetailType)
	}
	return in, detail, nil
}

// Task returns the handler of a function whose payload is one T, written by us,
// and is one call of a use case. It answers nothing.
func Task[T any](kind string, use func(context.Context, T) error) Handler {
	return func(ctx context.Context, payload []byte) (any, error) {
		in, err := Decode[T](kind, payload)
		if err != nil {
			return nil, err
		}
		return nil, use(ctx, in)
	}
}
