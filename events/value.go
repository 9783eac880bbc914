package events

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A Number is a whole number that is written as the service writes it: 1.0.
type Number int

// MarshalJSON implements json.Marshaler.
func (n Number) MarshalJSON() ([]byte, error) {
	return append(strconv.AppendInt(nil, int64(n), 10), ".0"...), nil
}

// UnmarshalJSON implements json.Unmarshaler. It takes 1 and 1.0 alike.
func (n *Number) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err != nil {
		return err
	}
	if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return fmt.Errorf("%s is not a whole number", b)
	}
	*n = Number(f)
	return nil
}

// A Time is written in UTC with milliseconds, all three digits of them.
type Time struct{ time.Time }

const layout = "2006-01-02T15:04:05.000Z"

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return []byte(t.UTC().Format(`"` + layout + `"`)), nil
}
