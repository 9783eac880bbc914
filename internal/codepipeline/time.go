package codepipeline

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// A Time is a timestamp on the wire: epoch seconds with milliseconds.
type Time struct{ time.Time }

// MarshalJSON writes t as a number.
func (t Time) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, float64(t.UnixMilli())/1000, 'f', 3, 64), nil
}

// UnmarshalJSON reads a number, to the millisecond.
func (t *Time) UnmarshalJSON(b []byte) error {
	var seconds float64
	if err := json.Unmarshal(b, &seconds); err != nil {
		return fmt.Errorf("timestamp: %w", err)
	}
	t.Time = time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
	return nil
}
