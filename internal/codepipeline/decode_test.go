package codepipeline

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestSerialization pins the place that is named for each kind of bad JSON.
func TestSerialization(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"not JSON", `{"pipeline":}`, "the request is not JSON at byte 13: invalid character '}' looking for beginning of value"},
		{"cut off", `{"pipeline":{`, "the request is not JSON: it ends at byte 13, too early"},
		{"more after it", `{} {}`, "the request goes on after its JSON object at byte 4"},
		{"not an object", `[]`, "the request is a list and should be an object"},
		{"nothing", `null`, "the request is null and should be an object"},
		{"too deep", strings.Repeat("[", 65), "the request is nested deeper than 64 at byte 64"},
		{"too much", "[" + strings.Repeat("{},", 200_000), "the request has more than 200000 values at byte 600000"},
		{"a string", `{"pipeline":"web"}`, "Value at 'pipeline' is a string and should be an object"},
		{"a number", `{"pipeline":{"stages":[{},{"actions":[{"name":1}]}]}}`, "Value at 'pipeline.stages.2.member.actions.1.member.name' is a number and should be a string"},
		{"a boolean", `{"pipeline":{"stages":[{"actions":[{"configuration":{"Extract":true}}]}]}}`, "Value at 'pipeline.stages.1.member.actions.1.member.configuration.Extract' is a boolean and should be a string"},
		{"a list", `{"pipeline":{"version":[]}}`, "Value at 'pipeline.version' is a list and should be a number"},
		{"an object", `{"tags":{}}`, "Value at 'tags' is an object and should be a list"},
		{"a fraction", `{"pipeline":{"version":1.5}}`, "Value at 'pipeline.version' is 1.5 and should be a whole number of 32 bits"},
		{"a huge number", `{"pipeline":{"version":1e999999}}`, "Value at 'pipeline.version' is 1e999999 and should be a whole number of 32 bits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := decode([]byte(tt.body), createPipelineShape, new(CreatePipelineInput))
			if pipeline.CodeOf(err) != serialization || err.Error() != tt.want {
				t.Errorf("%s: %v; want %s", pipeline.CodeOf(err), err, tt.want)
			}
		})
	}
}

// TestTimestamp pins how a time is read, and what is none.
func TestTimestamp(t *testing.T) {
	const before = `{"jobId":"1","currentRevision":{"created":`
	for body, want := range map[string]string{
		before + `"2026-01-02"}}`: "Value at 'currentRevision.created' is a string and should be a number",
		before + `1e300}}`:        "Value at 'currentRevision.created' is 1e300 and should be a number of seconds since 1970",
	} {
		err := decode([]byte(body), putJobSuccessResultShape, new(PutJobSuccessResultInput))
		if pipeline.CodeOf(err) != serialization || err.Error() != want {
			t.Errorf("%s: %s: %v; want %s", body, pipeline.CodeOf(err), err, want)
		}
	}
}

// TestLenient holds what the service lets pass.
func TestLenient(t *testing.T) {
	tests := []struct{ name, body string }{
		{"members nobody knows", `{"name":"web","shoeSize":{"eu":[44]},"NAME":7}`},
		{"null", `{"name":"web","version":null}`},
		{"a member twice", `{"name":"wep","name":"web"}`},
		{"brackets in strings", `{"x":"` + strings.Repeat(`[\"`, 100) + `","name":"web"}`},
		{"commas in strings", `{"x":"` + strings.Repeat(`,`, 200_000) + `","name":"web"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var in GetPipelineInput
			if err := decode([]byte(tt.body), getPipelineShape, &in); err != nil || in != (GetPipelineInput{Name: "web"}) {
				t.Errorf("got %+v, %v", in, err)
			}
		})
	}
}

// TestAbsent tells an empty list from an absent one.
func TestAbsent(t *testing.T) {
	var in CreatePipelineInput
	if err := decode([]byte(`{"pipeline":{"stages":[],"variables":null}}`), createPipelineShape, &in); err != nil {
		t.Fatal(err)
	}
	if in.Pipeline.Stages == nil || in.Pipeline.Variables != nil {
		t.Errorf("stages %#v, variables %#v", in.Pipeline.Stages, in.Pipeline.Variables)
	}
}

// FuzzDecode looks for panics, and for a request that reads differently after
// it was written again.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"pipeline":{"name":"web","stages":[{"name":"a","actions":[{"runOrder":1,"configuration":{"k":"v"}}]}],"artifactStores":{"us-east-1":{"type":"S3"}}}}`,
		`{"pipeline":{"stages":[{"onFailure":{"result":"RETRY","retryConfiguration":{}},"actions":null}]},"tags":[{"key":"a"},null]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var in, again CreatePipelineInput
		if err := decode(body, createPipelineShape, &in); err != nil {
			if code := pipeline.CodeOf(err); code != serialization && code != pipeline.Validation {
				t.Fatalf("%s: %v", code, err)
			}
			return
		}
		text := encode(in)
		if err := decode(text, createPipelineShape, &again); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if !bytes.Equal(encode(again), text) {
			t.Fatalf("%s became %s", text, encode(again))
		}
	})
}

// TestTagged holds that the decoder knows every member of every input by name.
func TestTagged(t *testing.T) {
	var check func(reflect.Type)
	check = func(typ reflect.Type) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			check(typ.Elem())
		case reflect.Struct:
			for field := range typ.Fields() {
				if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name == "" || name == "-" || field.Anonymous || !field.IsExported() {
					t.Errorf("%s.%s has no name on the wire", typ, field.Name)
				}
				check(field.Type)
			}
		case reflect.String, reflect.Bool, reflect.Int:
		default:
			t.Errorf("the decoder does not know %s", typ)
		}
	}
	for _, in := range []any{
		CreatePipelineInput{}, UpdatePipelineInput{}, GetPipelineInput{}, DeletePipelineInput{}, ListPipelinesInput{},
		StartPipelineExecutionInput{}, StopPipelineExecutionInput{}, GetPipelineExecutionInput{}, ListPipelineExecutionsInput{},
		ListActionExecutionsInput{}, GetPipelineStateInput{}, EnableStageTransitionInput{}, DisableStageTransitionInput{},
		RetryStageExecutionInput{}, RollbackStageInput{}, OverrideStageConditionInput{}, PutApprovalResultInput{}, ListTagsForResourceInput{},
	} {
		check(reflect.TypeOf(in))
	}
}
