package events_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sluice-ci/sluice/events"
)

// TestAllIsComplete looks for DetailType methods in the sources, because a type
// that nobody listed cannot be found through All.
func TestAllIsComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, d := range events.All {
		listed[reflect.TypeOf(d).Name()] = true
	}
	files, _ := filepath.Glob("*.go")
	method := regexp.MustCompile(`(?m)^func \((?:\w+ )?(\w+)\) DetailType\(\)`)
	found := 0
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range method.FindAllStringSubmatch(string(src), -1) {
			found++
			if !listed[m[1]] {
				t.Errorf("%s is not in All", m[1])
			}
		}
	}
	if found != len(events.All) {
		t.Errorf("found %d events in the sources; All has %d", found, len(events.All))
	}
}

// roots returns a zero value of every type that has a sample and a schema.
func roots() []any {
	all := append([]any{events.Envelope{}}, events.Messages...)
	for _, d := range events.All {
		all = append(all, d)
	}
	return all
}

// TestEveryTypeIsReached finds exported types that are part of nothing that has
// a sample and a schema.
func TestEveryTypeIsReached(t *testing.T) {
	reached := map[string]bool{"Detail": true} // the interface of what travels in an envelope
	var reach func(reflect.Type)
	reach = func(typ reflect.Type) {
		switch {
		case typ.Kind() == reflect.Pointer, typ.Kind() == reflect.Slice:
			reach(typ.Elem())
		case typ.PkgPath() == reflect.TypeFor[events.Envelope]().PkgPath():
			reached[typ.Name()] = true
			if typ.Kind() == reflect.Struct {
				for f := range typ.Fields() {
					reach(f.Type)
				}
			}
		}
	}
	for _, zero := range roots() {
		reach(reflect.TypeOf(zero))
	}
	files, _ := filepath.Glob("*.go")
	declared := regexp.MustCompile(`(?m)^type ([A-Z]\w*) (?:struct|interface|int|string)\b`)
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllStringSubmatch(string(src), -1) {
			found++
			if !reached[m[1]] {
				t.Errorf("%s: %s is part of nothing in All or Messages", file, m[1])
			}
		}
	}
	if found != len(reached) {
		t.Errorf("found %d types in the sources; %d are reached", found, len(reached))
	}
}

// TestSamples decodes each recorded sample strictly and encodes it again. A
// renamed field, a new required field or a lost field fails here first.
func TestSamples(t *testing.T) {
	for _, zero := range roots() {
		typ := reflect.TypeOf(zero)
		t.Run(typ.Name(), func(t *testing.T) {
			sample := read(t, typ.Name())
			v := reflect.New(typ)
			dec := json.NewDecoder(bytes.NewReader(sample))
			dec.DisallowUnknownFields()
			if err := dec.Decode(v.Interface()); err != nil {
				t.Fatal(err)
			}
			got, err := json.MarshalIndent(v.Interface(), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(append(got, '\n'), sample) {
				t.Errorf("round trip of the sample gave\n%s\nwant\n%s", got, sample)
			}
		})
	}
}

// TestSamplesAreComplete finds fields that no sample holds, which TestSamples
// could not miss.
func TestSamplesAreComplete(t *testing.T) {
	exempt := []string{
		"PipelineStateChange.TagName",       // a branch or a tag
		"ActionStateChange.OutputArtifacts", // an error or outputs
		"JobEvent.Revision",                 // of an output: nobody knows it yet
	}
	for _, zero := range roots() {
		v := reflect.New(reflect.TypeOf(zero))
		if err := json.Unmarshal(read(t, v.Elem().Type().Name()), v.Interface()); err != nil {
			t.Fatal(err)
		}
		for _, field := range empty(v.Elem(), v.Elem().Type().Name()) {
			if !slices.Contains(exempt, field) {
				t.Errorf("the sample does not hold %s", field)
			}
		}
	}
	for _, folder := range []string{"testdata", "schema"} {
		files, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		if len(files) != len(roots()) {
			t.Errorf("%d files in %s; want %d, one for each type", len(files), folder, len(roots()))
		}
	}
}

// empty lists the fields below v that are zero, as Type.Field.
func empty(v reflect.Value, typ string) []string {
	var fields []string
	for f, fv := range v.Fields() {
		for fv.Kind() == reflect.Pointer && !fv.IsNil() {
			fv = fv.Elem()
		}
		switch {
		case fv.IsZero():
			fields = append(fields, typ+"."+f.Name)
		case fv.Kind() == reflect.Slice && fv.Type().Elem().Kind() == reflect.Struct:
			fields = append(fields, empty(fv.Index(fv.Len()-1), typ)...)
		case fv.Kind() == reflect.Struct && fv.Type() != reflect.TypeFor[events.Time]() && fv.Type() != reflect.TypeFor[time.Time]():
			fields = append(fields, empty(fv, typ)...)
		}
	}
	return fields
}

// TestOptional pins what is left out of an event that has little to say, and
// the fields that the samples cannot hold.
func TestOptional(t *testing.T) {
	at := events.Time{Time: time.Date(2026, 1, 30, 21, 11, 40, 500e6, time.FixedZone("", 3600))}
	tests := []struct {
		d    any
		want string
	}{
		{events.PipelineStateChange{
			Pipeline: "web", ExecutionID: "e", StartTime: at, State: events.Canceled, Version: 1, Attempt: 12,
			Trigger: events.Trigger{Type: "CreatePipeline", Detail: "arn"},
		}, `{"pipeline":"web","execution-id":"e","start-time":"2026-01-30T20:11:40.500Z","state":"CANCELED",` +
			`"version":1.0,"pipeline-execution-attempt":12.0,"execution-trigger":{"trigger-type":"CreatePipeline","trigger-detail":"arn"}}`},
		{events.StageStateChange{Pipeline: "web", ExecutionID: "e", StartTime: at, Stage: "Build", State: events.Started, Version: 1, Attempt: 1},
			`{"pipeline":"web","execution-id":"e","start-time":"2026-01-30T20:11:40.500Z","stage":"Build","state":"STARTED",` +
				`"version":1.0,"pipeline-execution-attempt":1.0}`},
		{events.ActionStateChange{
			Pipeline: "web", ExecutionID: "e", StartTime: at, Stage: "Build", ActionExecutionID: "x", Action: "A", Region: "us-west-2",
			State: events.Abandoned, Version: 1, Attempt: 1, Type: events.ActionType{Owner: "AWS", Category: "Build", Provider: "CodeBuild", Version: "1"},
		}, `{"pipeline":"web","execution-id":"e","start-time":"2026-01-30T20:11:40.500Z","stage":"Build","action-execution-id":"x",` +
			`"action":"A","region":"us-west-2","state":"ABANDONED","version":1.0,"pipeline-execution-attempt":1.0,` +
			`"type":{"owner":"AWS","category":"Build","provider":"CodeBuild","version":"1"}}`},
		{events.ActionStateChange{
			StartTime: at, State: events.Succeeded, Version: 1, Attempt: 1, Result: &events.ExecutionResult{Summary: "a < b"},
			OutputArtifacts: []events.Artifact{{Name: "App", S3Location: events.S3Location{Bucket: "b", Key: "k"}}},
		}, `{"pipeline":"","execution-id":"","start-time":"2026-01-30T20:11:40.500Z","stage":"","action-execution-id":"",` +
			`"action":"","region":"","state":"SUCCEEDED","version":1.0,"pipeline-execution-attempt":1.0,` +
			`"type":{"owner":"","category":"","provider":"","version":""},` +
			`"output-artifacts":[{"name":"App","s3location":{"bucket":"b","key":"k"}}],"execution-result":{"external-execution-summary":"a \u003c b"}}`},
		{events.Trigger{Type: "WebhookV2", Detail: "arn", TagName: "v1"}, `{"trigger-type":"WebhookV2","trigger-detail":"arn","tag-name":"v1"}`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(tt.d)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != tt.want {
			t.Errorf("%T:\ngot  %s\nwant %s", tt.d, got, tt.want)
		}
	}
}

// TestEnvelope wraps and opens every event.
func TestEnvelope(t *testing.T) {
	for _, zero := range events.All {
		v := reflect.New(reflect.TypeOf(zero))
		if err := json.Unmarshal(read(t, v.Elem().Type().Name()), v.Interface()); err != nil {
			t.Fatal(err)
		}
		want := v.Elem().Interface().(events.Detail)
		e, err := events.Wrap(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if e.Version != "0" || !reflect.DeepEqual(got, want) {
			t.Errorf("opened %+v; want %+v", got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name   string
		e      events.Envelope
		want   events.Detail
		failed string
	}{
		{"new field", events.Envelope{Source: "aws.ecr", DetailType: "ECR Image Action", Detail: json.RawMessage(`{"result":"SUCCESS","artifact-media-type":"x"}`)},
			events.ImageAction{Result: "SUCCESS"}, ""},
		{"unknown type", events.Envelope{Source: "aws.ecr", DetailType: "ECR Image Scan"}, nil, ""},
		{"type of another source", events.Envelope{Source: "my.app", DetailType: "Object Created", Detail: json.RawMessage(`{}`)}, nil, ""},
		{"malformed", events.Envelope{ID: "i1", Source: "aws.s3", DetailType: "Object Created", Detail: json.RawMessage(`[]`)}, nil, `event i1, "Object Created"`},
		{"in an AWS account", events.Envelope{Source: events.SluicePipeline, DetailType: events.StageStateChange{}.DetailType(),
			Detail: json.RawMessage(`{"sluice-event-id":"e1","version":2.0}`)}, events.StageStateChange{EventID: "e1", Version: 2}, ""},
		{"half a version", events.Envelope{Source: events.CodePipeline, DetailType: events.StageStateChange{}.DetailType(),
			Detail: json.RawMessage(`{"version":1.5}`)}, nil, "1.5 is not a whole number"},
		{"whole version", events.Envelope{Source: events.CodePipeline, DetailType: events.StageStateChange{}.DetailType(),
			Detail: json.RawMessage(`{"version":2}`)}, events.StageStateChange{Version: 2}, ""},
		{"version of text", events.Envelope{Source: events.CodePipeline, DetailType: events.StageStateChange{}.DetailType(),
			Detail: json.RawMessage(`{"version":"2"}`)}, nil, "cannot unmarshal string"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.e.Open()
			if (err != nil) != (tt.failed != "") || err != nil && !strings.Contains(err.Error(), tt.failed) {
				t.Fatalf("Open: %v; want %q", err, tt.failed)
			}
			if got != tt.want {
				t.Errorf("Open = %+v; want %+v", got, tt.want)
			}
		})
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	sample, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return sample
}
