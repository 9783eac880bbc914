package events_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// open names the types that AWS writes, whose schemas let further members
// pass. All others are closed: see the package comment.
var open = []string{
	"Envelope", "RepositoryStateChange", "ObjectCreated", "ImageAction",
	"BuildStateChange", "ExecutionStatusChange", "Registration",
}

func compile(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	s, err := jsonschema.NewCompiler().Compile(filepath.Join("schema", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// decode returns JSON as the validator takes it.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSchemas holds every schema against its type. The sample is valid. So is
// the sample without a member that the type may leave out. It is not valid
// without any other member, with a value of another kind in any place, and,
// where the schema is closed, with one more member in any object.
func TestSchemas(t *testing.T) {
	for _, zero := range roots() {
		typ := reflect.TypeOf(zero)
		t.Run(typ.Name(), func(t *testing.T) {
			schema, sample := compile(t, typ.Name()), decode(t, read(t, typ.Name()))
			if err := schema.Validate(sample); err != nil {
				t.Fatalf("the sample is not valid: %v", err)
			}
			m := mutator{t: t, schema: schema, root: sample, open: slices.Contains(open, typ.Name())}
			m.object(typ, sample.(map[string]any), typ.Name())
			if m.refused == 0 {
				t.Error("nothing was tried")
			}
		})
	}
}

// TestSchemasSay holds that a schema names its draft, itself and exactly the
// members of its type, those that no sample holds included.
func TestSchemasSay(t *testing.T) {
	for _, zero := range roots() {
		typ := reflect.TypeOf(zero)
		t.Run(typ.Name(), func(t *testing.T) {
			s := compile(t, typ.Name())
			text, err := os.ReadFile("schema/" + typ.Name() + ".json")
			if err != nil || !bytes.Contains(text, []byte(`"$schema": "https://json-schema.org/draft/2020-12/schema"`)) {
				t.Errorf("the schema does not say that it is of draft 2020-12 (%v)", err)
			}
			if !strings.HasSuffix(s.ID, "/schema/"+typ.Name()+".json") || s.Title == "" {
				t.Errorf("id %q, title %q; want its place, and what it is", s.ID, s.Title)
			}
			same(t, s, typ, typ.Name())
		})
	}
}

// same compares the members of s with the fields of typ, and goes down.
func same(t *testing.T, s *jsonschema.Schema, typ reflect.Type, place string) {
	t.Helper()
	for s.Ref != nil {
		s = s.Ref
	}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch {
	case typ.Kind() == reflect.Slice && typ != reflect.TypeFor[json.RawMessage]():
		if s.Items2020 == nil {
			t.Fatalf("%s has no items", place)
		}
		same(t, s.Items2020, typ.Elem(), place+"[]")
	case typ.Kind() == reflect.Struct && typ.NumField() > 0 && len(members(typ)) > 0:
		fields := members(typ)
		got, want := slices.Sorted(maps.Keys(s.Properties)), slices.Sorted(maps.Keys(fields))
		if !slices.Equal(got, want) {
			t.Errorf("%s: the schema has %v; the type has %v", place, got, want)
		}
		var required []string
		for name, f := range fields {
			if !f.optional {
				required = append(required, name)
			}
			if p := s.Properties[name]; p != nil {
				same(t, p, f.typ, place+"."+name)
			}
		}
		slices.Sort(required)
		if got := slices.Sorted(slices.Values(s.Required)); !slices.Equal(got, required) {
			t.Errorf("%s: the schema requires %v; the type always has %v", place, got, required)
		}
	}
}

type member struct {
	typ      reflect.Type
	optional bool // it is left out when it is empty
}

// members returns the fields of typ by their names in JSON; none of a type
// that writes itself, such as a time.
func members(typ reflect.Type) map[string]member {
	all := map[string]member{}
	if typ.Implements(reflect.TypeFor[json.Marshaler]()) {
		return all
	}
	for f := range typ.Fields() {
		name, rest, _ := strings.Cut(f.Tag.Get("json"), ",")
		all[name] = member{f.Type, rest == "omitempty"}
	}
	return all
}

// A mutator changes one place of root at a time and puts it back.
type mutator struct {
	t       *testing.T
	schema  *jsonschema.Schema
	root    any
	open    bool
	refused int
}

// object tries the mutations of an object that is a typ.
func (m *mutator) object(typ reflect.Type, o map[string]any, place string) {
	for name, f := range members(typ) {
		at := place + "." + name
		old, ok := o[name]
		if !ok {
			continue // TestSamplesAreComplete knows which
		}
		delete(o, name)
		if f.optional {
			m.valid("without " + at)
		} else {
			m.invalid("without "+at, (*kind.Required)(nil))
		}
		for _, other := range wrong(f, m.open) {
			o[name] = other
			m.invalid(fmt.Sprintf("%s is %v, a %T", at, other, other), (*kind.Type)(nil), (*kind.Enum)(nil), (*kind.Const)(nil))
		}
		o[name] = old
		m.value(f.typ, old, at)
	}
	o["x-unknown"] = "x"
	if m.open {
		m.valid("a member more in " + place)
	} else {
		m.invalid("a member more in "+place, (*kind.AdditionalProperties)(nil))
	}
	delete(o, "x-unknown")
}

func (m *mutator) value(typ reflect.Type, v any, place string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		if len(members(typ)) > 0 { // else raw JSON
			m.object(typ, v, place)
		}
	case []any:
		for i, item := range v {
			if _, ok := item.(map[string]any); !ok {
				v[i] = 7
				m.invalid(fmt.Sprintf("%s[%d] is a number", place, i), (*kind.Type)(nil))
				v[i] = item
			}
			m.value(typ.Elem(), item, fmt.Sprintf("%s[%d]", place, i))
		}
	}
}

// wrong returns a value of every kind that f never has. What AWS leaves out it
// may also write as null.
func wrong(f member, open bool) []any {
	typ := f.typ
	null := typ.Kind() == reflect.Pointer && !f.optional || open && f.optional
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	is := ""
	switch {
	case typ == reflect.TypeFor[json.RawMessage]():
		is = "object"
	case typ.Kind() == reflect.String, strings.HasSuffix(typ.String(), ".Time"):
		is = "string"
	case typ.Kind() == reflect.Struct:
		is = "object"
	case typ.Kind() == reflect.Slice:
		is = "array"
	case typ.Kind() == reflect.Bool:
		is = "boolean"
	default:
		is = "number"
	}
	var all []any
	for name, v := range map[string]any{"object": map[string]any{}, "string": "x", "array": []any{}, "boolean": true, "number": json.Number("7"), "null": nil} {
		if name != is && (name != "null" || !null) {
			all = append(all, v)
		}
	}
	return all
}

func (m *mutator) valid(what string) {
	m.t.Helper()
	if err := m.schema.Validate(m.root); err != nil {
		m.t.Errorf("%s: %v; want it valid", what, err)
	}
}

// invalid wants the root refused for one of the reasons.
func (m *mutator) invalid(what string, reasons ...any) {
	m.t.Helper()
	err := m.schema.Validate(m.root)
	invalid, ok := err.(*jsonschema.ValidationError)
	if !ok {
		m.t.Errorf("%s: %v; want it refused", what, err)
		return
	}
	m.refused++
	for len(invalid.Causes) > 0 {
		invalid = invalid.Causes[0]
	}
	for _, r := range reasons {
		if reflect.TypeOf(invalid.ErrorKind) == reflect.TypeOf(r) {
			return
		}
	}
	m.t.Errorf("%s: refused because of %T: %v", what, invalid.ErrorKind, err)
}

// TestClosedSets holds what the schemas say about values.
func TestClosedSets(t *testing.T) {
	tests := []struct{ typ, member, value string }{
		{"PipelineStateChange", "state", `"CANCELLED"`}, // events have one L
		{"PipelineStateChange", "state", `"ABANDONED"`},
		{"PipelineStateChange", "version", `1.5`},
		{"PipelineStateChange", "start-time", `"2026-01-30T20:11:40Z"`},
		{"StageStateChange", "state", `"SUPERSEDED"`},
		{"StageStateChange", "pipeline-execution-attempt", `0`},
		{"ActionStateChange", "state", `"STOPPED"`},
		{"ActionStateChange", "action-execution-id", `""`},
		{"BuildStateChange", "build-id", `"web:1"`}, // not an ARN
		{"ExecutionStatusChange", "startDate", `1769803900.98`},
		{"Envelope", "account", `"1"`},
		{"Envelope", "time", `"2026-01-30"`},
		{"Sweep", "sweep", `false`},
	}
	for _, tt := range tests {
		o := decode(t, read(t, tt.typ)).(map[string]any)
		o[tt.member] = decode(t, []byte(tt.value))
		if err := compile(t, tt.typ).Validate(o); err == nil {
			t.Errorf("%s with %s %s is valid; want it refused", tt.typ, tt.member, tt.value)
		}
	}
}
