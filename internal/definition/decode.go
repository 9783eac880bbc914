package definition

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A decoder fills a declaration from nodes and remembers where everything
// stood. The structure it follows is that of the Go types: their JSON tags
// are the names of the fields, so there is no second list to keep.
type decoder struct {
	file     string
	errs     Errors
	warnings Errors
	places   map[string]position
	broken   map[string]bool // paths whose value was refused
}

func newDecoder(file string) *decoder {
	return &decoder{file: file, places: map[string]position{}, broken: map[string]bool{}}
}

func (d *decoder) fail(at position, path, value, message, fix string) {
	d.broken[path] = true
	d.errs = append(d.errs, Error{File: d.file, Line: at.line, Column: at.column, Code: pipeline.Validation,
		Path: path, Value: value, Message: message, Fix: fix})
}

func (d *decoder) warn(at position, path, message, fix string) {
	d.warnings = append(d.warnings, Error{File: d.file, Line: at.line, Column: at.column, Path: path, Message: message, Fix: fix})
}

// value fills v, which can be set, from n.
func (d *decoder) value(n *node, v reflect.Value, path string) {
	if _, ok := d.places[path]; !ok {
		d.places[path] = n.pos
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path)
	case reflect.Struct:
		if d.expect(n, object, path) {
			d.structure(n, v, path)
		}
	case reflect.Slice:
		if d.expect(n, list, path) {
			d.list(n, v, path)
		}
	case reflect.Map:
		if d.expect(n, object, path) {
			d.entries(n, v, path)
		}
	case reflect.String:
		d.text(n, v, path)
	case reflect.Int:
		d.number(n, v, path)
	}
}

// expect reports whether n is of kind k, and complains if it is not.
func (d *decoder) expect(n *node, k kind, path string) bool {
	if n.kind == k {
		return true
	}
	fix := "write " + k.String() + " here"
	if strings.HasSuffix(path, "]") && (strings.Contains(path, "Artifacts[")) && n.kind == text {
		fix = "write name: " + n.text
	}
	d.fail(n.pos, path, n.text, fmt.Sprintf("expected %s, found %s", k, n.kind), fix)
	return false
}

// structure fills the struct v from the object n. A null is an absent field.
func (d *decoder) structure(n *node, v reflect.Value, path string) {
	known := fieldsOf(v.Type())
	for _, f := range n.fields {
		at := join(path, f.key)
		index, ok := known[f.key]
		switch {
		case ok && f.value.kind == null:
		case ok:
			d.places[at] = place(f)
			d.value(f.value, v.Field(index), at)
		default:
			d.unknown(f, known, path)
		}
	}
}

// place is where an error about f points: at a scalar itself, but at the key
// of a list or a map, which may begin on another line.
func place(f field) position {
	if f.value.kind == list || f.value.kind == object {
		return f.pos
	}
	return f.value.pos
}

// unknown refuses a field that does not exist. What other tools put beside
// the fields of the API, and what changes nothing here, is only a warning.
func (d *decoder) unknown(f field, known map[string]int, path string) {
	at := join(path, f.key)
	if f.key == "__type" || path == "" && beside[f.key] != "" {
		d.warn(f.pos, at, "this field is ignored", beside[f.key])
		return
	}
	var names []string
	for name := range known {
		names = append(names, name)
	}
	near, fix := pipeline.Nearest(f.key, names), "remove it"
	if near != "" {
		fix = "did you mean " + near + "?"
		d.broken[join(path, near)] = true // it is not missing, it is misspelt
	}
	d.fail(f.pos, at, "", fmt.Sprintf("unknown field %q", f.key), fix)
}

func (d *decoder) list(n *node, v reflect.Value, path string) {
	v.Set(reflect.MakeSlice(v.Type(), len(n.items), len(n.items)))
	for i, item := range n.items {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
}

// entries fills a map, whose keys the file is free to choose.
func (d *decoder) entries(n *node, v reflect.Value, path string) {
	v.Set(reflect.MakeMapWithSize(v.Type(), len(n.fields)))
	for _, f := range n.fields {
		at := join(path, f.key)
		d.places[at] = place(f)
		value := reflect.New(v.Type().Elem()).Elem()
		d.value(f.value, value, at)
		v.SetMapIndex(reflect.ValueOf(f.key), value)
	}
}

// text fills a string. Numbers and booleans are taken as they are written,
// because every value of a configuration is a string to the service.
func (d *decoder) text(n *node, v reflect.Value, path string) {
	switch n.kind {
	case text, number, boolean:
		v.SetString(n.text)
	case null:
		d.fail(n.pos, path, "", "expected text, found null", "write a value or leave the field out")
	default:
		d.fail(n.pos, path, "", fmt.Sprintf("expected text, found %s", n.kind), "write it as one text in quotation marks")
	}
}

// least is the smallest number of the fields that zero cannot be left out of
// a declaration for: an explicit zero has to be caught while it is visible.
var least = map[string]int{"runOrder": 1, "timeoutInMinutes": 5}

func (d *decoder) number(n *node, v reflect.Value, path string) {
	value, err := strconv.Atoi(n.text)
	if n.kind != number && n.kind != text || err != nil {
		d.fail(n.pos, path, n.text, "expected a whole number", "write digits only")
		return
	}
	if smallest := least[path[strings.LastIndex(path, ".")+1:]]; value == 0 && smallest > 0 {
		d.fail(n.pos, path, n.text, fmt.Sprintf("Member must have value greater than or equal to %d", smallest),
			fmt.Sprintf("write %d or more, or leave it out", smallest))
		return
	}
	v.SetInt(int64(value))
}

// fieldsOf maps the names that fields of t have in files to their indices.
func fieldsOf(t reflect.Type) map[string]int {
	fields := map[string]int{}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	return fields
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
