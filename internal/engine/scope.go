package engine

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"github.com/sluice-ci/sluice/internal/asl/expr"
)

// uuidsOfResults keeps the UUIDs of a state's ResultSelector apart from those
// of its Parameters.
const uuidsOfResults = 1 << 20

// A scope is what expressions see beside their input: the frame they are
// evaluated for. Everything in it can be told again after a crash.
type scope struct {
	of      *frame
	serial  uint64
	uuids   uint64 // made so far
	scratch []byte // of Field
}

// UUID returns a version 4 UUID made of the run's seed and the attempt.
func (s *stepper) UUID() string {
	s.uuids++
	var u [16]byte
	binary.BigEndian.PutUint64(u[:8], mix(s.run.seed^mix(s.serial)^mix(s.uuids<<32)))
	binary.BigEndian.PutUint64(u[8:], mix(s.run.seed+mix(s.serial+mix(s.uuids))))
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	x := hex.EncodeToString(u[:])
	return x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:]
}

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fraction returns a number in [0,1) that depends on its arguments only.
func fraction(seed, serial uint64) float64 {
	return float64(mix(seed^mix(serial))>>11) / (1 << 53)
}

// arn is what stands in front of the names of machines and runs. They have no
// account here.
const arn = "arn:aws:states:local:000000000000:"

// sections are the parts of the context object, $$, and the names in them.
var sections = []struct {
	name   string
	fields []string
}{
	{"Execution", []string{"Id", "Input", "Name", "StartTime"}},
	{"State", []string{"EnteredTime", "Name", "RetryCount"}},
	{"StateMachine", []string{"Id", "Name"}},
	{"Task", []string{"Token"}},
}

// Context returns the whole context object.
func (s *stepper) Context() []byte {
	b := []byte{'{'}
	for _, section := range sections {
		first := true
		for _, name := range section.fields {
			v, ok := s.Field(section.name, name)
			if !ok {
				continue
			}
			if first && len(b) > 1 {
				b = append(b, '}', ',')
			}
			if first {
				b = append(expr.AppendString(b, section.name), ':', '{')
			} else {
				b = append(b, ',')
			}
			b = append(append(expr.AppendString(b, name), ':'), v...)
			first = false
		}
	}
	return append(b, '}', '}')
}

// Field returns one value of the context object. It holds until the next call.
func (s *stepper) Field(section, name string) ([]byte, bool) {
	r, f, b := &s.run, s.of, s.scratch[:0]
	switch section {
	case "Execution":
		switch name {
		case "Id":
			b = append(append(append(append(b, `"`+arn+`execution:`...), r.Pipeline...), ':'), r.Name...)
			b = append(b, '"')
		case "Input":
			return r.input, true
		case "Name":
			b = expr.AppendString(b, r.Name)
		case "StartTime":
			b = appendTime(b, r.started)
		}
	case "State":
		switch name {
		case "EnteredTime":
			b = appendTime(b, f.entered)
		case "Name":
			b = expr.AppendString(b, s.m.states[f.state].name)
		case "RetryCount":
			b = strconv.AppendInt(b, int64(f.retries), 10)
		}
	case "StateMachine":
		switch name {
		case "Id":
			b = append(append(append(b, `"`+arn+`stateMachine:`...), r.Pipeline...), '"')
		case "Name":
			b = expr.AppendString(b, r.Pipeline)
		}
	case "Task":
		if name == "Token" && s.m.states[f.state].kind == task {
			b = append(append(append(b, '"'), r.Name...), '.')
			b = append(strconv.AppendUint(b, f.serial, 10), '"')
		}
	}
	s.scratch = b
	return b, len(b) > 0
}

func appendTime(b []byte, t int64) []byte {
	return time.Unix(0, t).UTC().AppendFormat(b, `"2006-01-02T15:04:05.000Z"`)
}

// end returns when a Wait that begins now ends.
func (d *delay) end(env *expr.Env, now int64) (int64, error) {
	switch {
	case d.until != 0:
		return d.until, nil
	case d.secondsPath != nil:
		v, err := d.secondsPath.Must(env, "SecondsPath")
		if err != nil {
			return 0, err
		}
		n, err := strconv.ParseFloat(string(v), 64)
		if err != nil || !(n >= 0 && n <= maxSeconds) {
			return 0, &expr.Error{Name: expr.Runtime, Cause: fmt.Sprintf("SecondsPath: the value is no number from 0 to %d", maxSeconds)}
		}
		return now + int64(n*float64(time.Second)), nil
	case d.untilPath != nil:
		v, err := d.untilPath.Must(env, "TimestampPath")
		if err != nil {
			return 0, err
		}
		t, err := time.Parse(time.RFC3339, string(v[min(1, len(v)-1):max(1, len(v)-1)]))
		if v[0] != '"' || err != nil {
			return 0, &expr.Error{Name: expr.Runtime, Cause: "TimestampPath: the value is no time as in RFC 3339"}
		}
		return t.UnixNano(), nil
	}
	return now + int64(d.seconds), nil
}
