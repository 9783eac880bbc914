package expr

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type scope struct{ uuids int }

func (*scope) Context() []byte { return []byte(`{"Task":{"Token":"t1"},"State":{"Name":"S"}}`) }

func (*scope) Field(section, name string) ([]byte, bool) {
	if section == "Task" && name == "Token" {
		return []byte(`"t1"`), true
	}
	return nil, false
}

func (s *scope) UUID() string { s.uuids++; return fmt.Sprint("u", s.uuids) }

const store = `{"a":{"b":[10,20,30,{"c":"x"}],"d e":{"c":null}},"c":false,"q\"":"ü\u00fc","dup":1,"dup":2,"":7}`

func TestPaths(t *testing.T) {
	for path, want := range map[string]string{
		`$`:                store,
		`$.a.b[0]`:         `10`,
		`$.a.b[-1].c`:      `"x"`,
		`$.a.b[-4]`:        `10`,
		`$.a.b[4]`:         ``,
		`$.a.b[-5]`:        ``,
		`$['a']['d e'].c`:  `null`,
		`$["a"]["d e"]`:    `{"c":null}`,
		`$['q"']`:          `"ü\u00fc"`,
		`$['']`:            `7`,
		`$.dup`:            `2`,
		`$.a.b[1:3]`:       `[20,30]`,
		`$.a.b[:2]`:        `[10,20]`,
		`$.a.b[-2:]`:       `[30,{"c":"x"}]`,
		`$.a.b[9:]`:        `[]`,
		`$.a.b[*]`:         `[10,20,30,{"c":"x"}]`,
		`$.a.*`:            `[[10,20,30,{"c":"x"}],{"c":null}]`,
		`$..c`:             `[false,"x",null]`,
		`$..b[1]`:          `[20]`,
		`$.a.b[*].c`:       `["x"]`,
		`$.no[*]`:          `[]`,
		`$.no`:             ``,
		`$.c.d`:            ``,
		`$.c[0]`:           ``,
		`$$.Task.Token`:    `"t1"`,
		`$$.Task`:          `{"Token":"t1"}`,
		`$$.Task.No`:       ``,
		`$$..Name`:         `["S"]`,
		`$$['Task'].Token`: `"t1"`,
	} {
		p, err := ParsePath(path)
		if err != nil {
			t.Error(err)
			continue
		}
		got, ok, err := p.Get(&Env{Input: []byte(store), Scope: &scope{}})
		if string(got) != want || ok != (want != "") || err != nil {
			t.Errorf("%s: got %s, %v, %v; want %s", path, got, ok, err, want)
		}
	}
}

func TestRefusedPaths(t *testing.T) {
	for _, path := range []string{
		``, `a`, `$a`, `$.`, `$..`, `$.a.`, `$[`, `$[]`, `$[a]`, `$['a'`, `$['a','b']`, `$[0,1]`, `$[0:1:2]`, `$[::]`, `$[?(@.a)]`, `$[(@.length-1)]`,
		`$.a()`, `$.length()`, `$.a b`, `$.['a']`, `$[1.5]`, `$.a[x:]`, `$ `,
	} {
		if p, err := ParsePath(path); err == nil {
			t.Errorf("%q is taken for %+v", path, p)
		}
	}
	for _, path := range []string{`$[*]`, `$..a`, `$[0:1]`, `$[-1]`, `$$.a`} {
		if _, err := ParseReference(path); err == nil {
			t.Errorf("%q is taken for one place", path)
		}
	}
}

func TestSet(t *testing.T) {
	for _, tt := range []struct{ doc, path, want string }{
		{`{"a":1}`, `$`, `9`},
		{`{}`, `$.a`, `{"a":9}`},
		{`{"a":1}`, `$.b.c`, `{"a":1,"b":{"c":9}}`},
		{`{"a":{"b":1,"c":2}}`, `$.a.b`, `{"a":{"b":9,"c":2}}`},
		{`{"a":[1,{"b":2}]}`, `$.a[1].b`, `{"a":[1,{"b":9}]}`},
		{`{"a":[1,{"b":2}]}`, `$.a[0]`, `{"a":[9,{"b":2}]}`},
		{`{"x":0}`, `$['d"e']`, `{"x":0,"d\"e":9}`},
		{`{"dup":1,"dup":2}`, `$.dup`, `{"dup":1,"dup":9}`},
		{`[1]`, `$.a`, ``},
		{`{"a":[1]}`, `$.a[1]`, ``},
		{`{"a":null}`, `$.a.b`, ``},
		{`{}`, `$.a[0]`, ``},
	} {
		p, err := ParseReference(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Set([]byte(tt.doc), []byte("9"))
		if string(got) != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s at %s: got %s, %v; want %s", tt.doc, tt.path, got, err, tt.want)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, tt := range []struct{ text, want, name string }{
		{`{"a.$":"$.c","b":{"c.$":"$.a.b[0]","d":[{"e.$":"$$.Task.Token"},"$.c"]}}`, `{"a":false,"b":{"c":10,"d":[{"e":"t1"},"$.c"]}}`, ""},
		{`{ "x" : 1.50 }`, `{"x":1.50}`, ""},
		{`{"f.$":"States.Format('{} is \\{{}\\}, it\\'s {}', $.a.b[3].c, 1, $.a.b[0:2])"}`, `{"f":"x is {1}, it's [10,20]"}`, ""},
		{`{"f.$":"States.Format($.f, 'y')"}`, ``, Runtime},
		{`{"f.$":"States.Format('plain')"}`, `{"f":"plain"}`, ""},
		{`{"s.$":"States.JsonToString($.a.b[3])"}`, `{"s":"{\"c\":\"x\"}"}`, ""},
		{`{"s.$":"States.StringToJson(States.JsonToString($.a.b))"}`, `{"s":[10,20,30,{"c":"x"}]}`, ""},
		{`{"s.$":"States.StringToJson('{')"}`, ``, IntrinsicFailure},
		{`{"s.$":"States.StringToJson(1)"}`, ``, IntrinsicFailure},
		{`{"s.$":"States.Array()","t.$":"States.Array(1, 'a', null, true, $.c, $['a']['d e'])"}`, `{"s":[],"t":[1,"a",null,true,false,{"c":null}]}`, ""},
		{`{"s.$":"States.MathAdd($.a.b[0], -3)","t.$":"States.MathAdd(1.5, 2)"}`, `{"s":7,"t":4}`, ""},
		{`{"s.$":"States.MathAdd(2147483647, 1)"}`, ``, IntrinsicFailure},
		{`{"s.$":"States.MathAdd('1', 1)"}`, ``, IntrinsicFailure},
		{`{"s.$":"States.UUID()","t.$":"States.UUID()"}`, `{"s":"u1","t":"u2"}`, ""},
		{`{"s.$":"$.no"}`, ``, Runtime},
		{`{"s.$":"States.Array($.no)"}`, ``, Runtime},
	} {
		tpl, err := ParseTemplate([]byte(tt.text))
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := tpl.Append(nil, &Env{Input: []byte(store), Scope: &scope{}})
		e, _ := errors.AsType[*Error](err)
		if err != nil {
			got = nil
		}
		if string(got) != tt.want || (tt.name != "") != (e != nil) || e != nil && e.Name != tt.name {
			t.Errorf("%s\ngives %s, %v\nwant  %s %s", tt.text, got, err, tt.want, tt.name)
		}
	}
}

func TestRefusedTemplates(t *testing.T) {
	deep := strings.Repeat("States.Array(", 11) + strings.Repeat(")", 11)
	for _, v := range []string{
		`x`, `States.Format`, `States.Format(`, `States.Format()`, `States.Format('{}')`, `States.Format('{')`, `States.Format('a', 1)`, `States.Hash('a', 'b')`,
		`States.Array(1`, `States.Array(1 2)`, `States.Array(x)`, `States.Array(1))`, `States.Array(1,)`, `States.MathAdd(1)`, `States.UUID(1)`, `States.Array(01)`,
		`States.JsonToString($.a[?(@.b)])`, `States.Array('a)`, deep,
	} {
		text, err := json.Marshal(map[string]string{"a.$": v})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseTemplate(text); err == nil {
			t.Errorf("%s was taken", v)
		}
	}
	for _, text := range []string{`{`, `{"a.$":1}`, `{"a":1,"a.$":"$"}`, `{"a":1,"a":2}`, `{"a":{"b.$":{}}}`} {
		if _, err := ParseTemplate([]byte(text)); err == nil {
			t.Errorf("%s was taken", text)
		}
	}
}

// TestBudget: paths that would take minutes over deep documents fail instead.
func TestBudget(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000)
	for _, path := range []string{`$..a..a..b`, `$..*`, `$..*..*..*`} {
		p, err := ParsePath(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Get(&Env{Input: []byte(deep)}); err == nil {
			t.Errorf("%s found its way", path)
		}
	}
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "a", "\"\\\n\t\r\x00\x1f", "ü€😀", "a\xffb", "\xff", "<&>", "\u2028"} {
		got := AppendString(nil, s)
		if want := strings.ToValidUTF8(s, "\uFFFD"); Unquote(got) != want || !json.Valid(got) {
			t.Errorf("%q gives %s", s, got)
		}
	}
}

// FuzzExpr compares paths with a decoder: what a definite path finds, and what
// it finds after Set. No text makes anything panic.
func FuzzExpr(f *testing.F) {
	f.Add(`$.a.b[0]`, []byte(store))
	f.Add(`$..c`, []byte(store))
	f.Add(`$['d e'][-1:]`, []byte(`{"d e":[1,"\"]"]}`))
	f.Add(`States.Format('{}', $.a)`, []byte(`{"a":"\u0041"}`))
	f.Fuzz(func(t *testing.T, text string, doc []byte) {
		doc, err := Compact(doc)
		if err != nil {
			return
		}
		env := &Env{Input: doc, Scope: &scope{}}
		if field, err := json.Marshal(map[string]string{"a.$": text}); err == nil {
			if tpl, err := ParseTemplate(field); err == nil {
				if out, err := tpl.Append(nil, env); err == nil && !json.Valid(out) {
					t.Fatalf("%s gives %s", text, out)
				}
			}
		}
		p, err := ParseReference(text)
		if err != nil {
			return
		}
		got, ok, err := p.Get(env)
		if err != nil {
			t.Fatal(err)
		}
		var whole any
		if err := json.Unmarshal(doc, &whole); err != nil {
			t.Fatal(err)
		}
		want, found := walk(whole, p.steps)
		if ok != found || ok && !reflect.DeepEqual(decoded(t, got), want) {
			t.Fatalf("%s in %s: %s, %v; want %v, %v", p, doc, got, ok, want, found)
		}
		if out, err := p.Set(doc, []byte(`["new"]`)); err == nil {
			v, ok, err := p.Get(&Env{Input: out})
			if string(v) != `["new"]` || !ok || err != nil || !json.Valid(out) {
				t.Fatalf("%s set in %s: %s", p, doc, out)
			}
		}
	})
}

func decoded(t *testing.T, text []byte) (v any) {
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func walk(v any, steps []step) (any, bool) {
	for _, s := range steps {
		switch c := v.(type) {
		case map[string]any:
			next, ok := c[s.name]
			if !ok || s.kind != child {
				return nil, false
			}
			v = next
		case []any:
			if s.kind != index || s.from >= len(c) {
				return nil, false
			}
			v = c[s.from]
		default:
			return nil, false
		}
	}
	return v, true
}
