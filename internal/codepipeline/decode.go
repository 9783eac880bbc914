package codepipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Bounds of a request: how deep arrays and objects may be nested, and how many
// values there may be. The largest pipeline has 1000 actions.
const (
	maxDepth  = 64
	maxValues = 200_000
)

// decode reads body into in, a pointer to a struct, and then checks that it
// has the shape want.
//
// It reads as the service does and not as package json would: members are told
// apart by case, unknown ones are ignored, of a repeated one the last counts,
// and null is the same as absence. A value of the wrong type is refused with
// its place.
func decode(body []byte, want structure, in any) error {
	tree, err := parse(body)
	if err != nil {
		return err
	}
	if err := assign(reflect.ValueOf(in).Elem(), tree, ""); err != nil {
		return err
	}
	return want.verify(tree)
}

// parse reads one JSON object. Nothing at all is an empty one.
func parse(body []byte) (map[string]any, error) {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil, nil
	}
	if err := bounded(body); err != nil {
		return nil, err
	}
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	err := dec.Decode(&v)
	if err == nil {
		if _, more := dec.Token(); more != io.EOF {
			return nil, pipeline.Errorf(serialization, "the request goes on after its JSON object at byte %d", dec.InputOffset())
		}
	}
	if syntax, ok := err.(*json.SyntaxError); ok {
		return nil, pipeline.Errorf(serialization, "the request is not JSON at byte %d: %w", syntax.Offset, syntax)
	}
	if err != nil {
		return nil, pipeline.Errorf(serialization, "the request is not JSON: it ends at byte %d, too early", len(body))
	}
	tree, ok := v.(map[string]any)
	if !ok {
		return nil, pipeline.Errorf(serialization, "the request is %s and should be an object", kind(v))
	}
	return tree, nil
}

// bounded refuses what is nested too deep or holds too much. It runs before
// body is parsed, so that what is parsed is small in every direction.
func bounded(body []byte) error {
	depth, values, inString := 0, 1, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return pipeline.Errorf(serialization, "the request is nested deeper than %d at byte %d", maxDepth, i)
			}
		case c == '}' || c == ']':
			depth--
		case c == ',':
			if values++; values > maxValues {
				return pipeline.Errorf(serialization, "the request has more than %d values at byte %d", maxValues, i)
			}
		}
	}
	return nil
}

// assign stores node, which is at path, in v.
func assign(v reflect.Value, node any, path string) error {
	if node == nil {
		return nil
	}
	if t, ok := v.Addr().Interface().(*Time); ok {
		return assignTime(t, node, path)
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return assign(v.Elem(), node, path)
	case reflect.Struct:
		if tree, ok := node.(map[string]any); ok {
			return assignStruct(v, tree, path)
		}
	case reflect.Slice:
		if list, ok := node.([]any); ok {
			return assignSlice(v, list, path)
		}
	case reflect.Map:
		if tree, ok := node.(map[string]any); ok {
			return assignMap(v, tree, path)
		}
	case reflect.String:
		if s, ok := node.(string); ok {
			v.SetString(s)
			return nil
		}
	case reflect.Bool:
		if b, ok := node.(bool); ok {
			v.SetBool(b)
			return nil
		}
	case reflect.Int:
		if n, ok := node.(json.Number); ok {
			i, err := n.Int64()
			if err != nil || v.OverflowInt(i) || i != int64(int32(i)) {
				return pipeline.Errorf(serialization, "Value at '%s' is %s and should be a whole number of 32 bits", path, n)
			}
			v.SetInt(i)
			return nil
		}
	}
	return pipeline.Errorf(serialization, "Value at '%s' is %s and should be %s", path, kind(node), wanted(v))
}

// years are the seconds from 1970 that a timestamp may be away.
const years = 200_000_000_000

// assignTime reads a timestamp: a number of seconds since 1970.
func assignTime(t *Time, node any, path string) error {
	n, ok := node.(json.Number)
	if !ok {
		return pipeline.Errorf(serialization, "Value at '%s' is %s and should be a number", path, kind(node))
	}
	seconds, err := n.Float64()
	if err != nil || seconds < -years || seconds > years {
		return pipeline.Errorf(serialization, "Value at '%s' is %s and should be a number of seconds since 1970", path, n)
	}
	return t.UnmarshalJSON([]byte(n))
}

func assignStruct(v reflect.Value, tree map[string]any, path string) error {
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
		if err := assign(v.Field(i), tree[name], join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

func assignSlice(v reflect.Value, list []any, path string) error {
	v.Set(reflect.MakeSlice(v.Type(), len(list), len(list)))
	for i, node := range list {
		if err := assign(v.Index(i), node, element(path, i)); err != nil {
			return err
		}
	}
	return nil
}

// assignMap goes through the keys in order, so that of several wrong values
// always the same one is reported.
func assignMap(v reflect.Value, tree map[string]any, path string) error {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(tree)))
	for _, key := range sortedKeys(tree) {
		value := reflect.New(v.Type().Elem()).Elem()
		if err := assign(value, tree[key], join(path, key)); err != nil {
			return err
		}
		v.SetMapIndex(reflect.ValueOf(key).Convert(v.Type().Key()), value)
	}
	return nil
}

func sortedKeys(tree map[string]any) []string {
	keys := make([]string, 0, len(tree))
	for key := range tree {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// join returns the path of a member, element that of an entry of a list, both
// in the notation of the service.
func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

func element(path string, i int) string { return fmt.Sprintf("%s.%d.member", path, i+1) }

// kind says what a JSON value is.
func kind(node any) string {
	switch node.(type) {
	case nil:
		return "null"
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "a boolean"
	}
	return "a number"
}

// wanted says which JSON value fits into v.
func wanted(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Int:
		return "a number"
	}
	return "an object"
}
