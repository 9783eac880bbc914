package entry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/sluice-ci/sluice/internal/config"
)

// env returns an environment of "KEY=value" pairs.
func env(pairs ...string) *config.Env {
	return config.New(func(key string) (string, bool) {
		for _, p := range pairs {
			if v, ok := strings.CutPrefix(p, key+"="); ok {
				return v, true
			}
		}
		return "", false
	})
}

// call lets the runtime call h once and returns what it and the log say.
func call(t *testing.T, h Handler, payload string) (answer, log string, err error) {
	t.Helper()
	var lines bytes.Buffer
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
	out, err := Serve(newLog(&lines, env("SLUICE_LOG=info")), h).Invoke(ctx, []byte(payload))
	return string(out), lines.String(), err
}

type ids struct {
	Token string `json:"token"`
	Run   string `json:"run"`
	Leave string `json:"leave,omitempty"`
}

// What a handler returns has the name that a state machine acts on: a call that
// may succeed later is made again, one that cannot is not.
func TestNames(t *testing.T) {
	tests := []struct {
		name string
		do   func(context.Context, ids) error
		in   string
		want string // type of the error
	}{
		{"success", func(context.Context, ids) error { return nil }, `{"token":"secret-1","run":"r"}`, ""},
		{"failure", func(context.Context, ids) error { return errors.New("table is busy") }, `{"token":"secret-1","run":"r"}`, "Lambda.Unknown"},
		{"panic", func(context.Context, ids) error { panic("boom") }, `{"token":"secret-1","run":"r"}`, "Lambda.Unknown"},
		{"malformed", func(context.Context, ids) error { t.Error("called"); return nil }, `{"token":"secret-1","run":7}`, "Sluice.Refused"},
		{"wrapped refusal", func(context.Context, ids) error { return fmt.Errorf("event: %w", Refusef("no")) }, `{"token":"secret-1","run":"r"}`, "Sluice.Refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			answer, log, err := call(t, Task("payload", tt.do), tt.in)
			if strings.Contains(log, "secret-1") {
				t.Errorf("the log quotes the payload: %s", log)
			}
			if tt.want == "" {
				if err != nil || answer != "null" || log != "" {
					t.Errorf("Invoke = %q, %v, log %q; want null and no log", answer, err, log)
				}
				return
			}
			named, ok := errors.AsType[messages.InvokeResponse_Error](err)
			if !ok || named.Type != tt.want {
				t.Errorf("Invoke: %#v; want type %s", err, tt.want)
			}
			if !strings.Contains(log, `"request":"request-1"`) || !strings.Contains(log, `"level":"ERROR"`) {
				t.Errorf("log = %s; want an error with the id of the request", log)
			}
		})
	}
}

// What is wrong with a payload is said by place, never by value.
func TestDecode(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"unknown member", `{"token":"hunter2","run":"r","tokn":"hunter2"}`, `task: unknown member "tokn"`},
		{"missing members", `{"leave":"hunter2"}`, "task: missing or empty: token, run"},
		{"empty member", `{"token":"hunter2","run":""}`, "task: missing or empty: run"},
		{"another type", `{"token":"hunter2","run":{"a":"hunter2"}}`, "task: run is a JSON object and should be string"},
		{"no object", `"hunter2"`, "task: the payload is a JSON string and should be entry.ids"},
		{"not JSON", `{"token":hunter2}`, "task: not JSON, at byte 10"},
		{"cut off", `{"token":"hunter2`, "task: not JSON: it breaks off"},
		{"two objects", `{"token":"hunter2","run":"r"}{}`, "task: there is something behind the JSON object"},
		{"nothing", ``, "task: not JSON: it breaks off"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Decode[ids]("task", []byte(tt.in))
			if err == nil || err.Error() != tt.want {
				t.Errorf("Decode: %v; want %s", err, tt.want)
			}
		})
	}
	if v, err := Decode[ids]("task", []byte(`{"token":"a","run":"b"}`)); err != nil || v != (ids{"a", "b", ""}) {
		t.Errorf("Decode = %v, %v", v, err)
	}
}

// Members inside members are needed as well, but for those that may be left out.
func TestDecodeNested(t *testing.T) {
	type nested struct {
		Schedule struct {
			Pipeline string `json:"pipeline"`
			ID       string `json:"id"`
		} `json:"schedule"`
	}
	_, err := Decode[nested]("schedule", []byte(`{"schedule":{"pipeline":"web"}}`))
	if err == nil || err.Error() != "schedule: missing or empty: schedule.id" {
		t.Errorf("Decode: %v", err)
	}
}

func TestLevel(t *testing.T) {
	for level, want := range map[string]string{"debug": "", "warn": "", "loud": "malformed environment: SLUICE_LOG is not debug, info, warn or error", "": "missing environment: SLUICE_LOG"} {
		e := env("SLUICE_LOG=" + level)
		log := newLog(new(bytes.Buffer), e)
		got := ""
		if err := e.Err(); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("level %q: %q; want %q", level, got, want)
		}
		if enabled := log.Enabled(t.Context(), slog.LevelInfo); enabled != (level != "warn") {
			t.Errorf("level %q: info is logged: %v", level, enabled)
		}
	}
}

func TestAWSConfig(t *testing.T) {
	e := env("AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key", "AWS_SESSION_TOKEN=token", "AWS_ENDPOINT_URL=http://127.0.0.1:1")
	c := awsConfig(e)
	got, err := c.Credentials.Retrieve(t.Context())
	if err != nil || e.Err() != nil || c.Region != "eu-west-1" || got.AccessKeyID != "id" || got.SecretAccessKey != "key" || got.SessionToken != "token" || *c.BaseEndpoint != "http://127.0.0.1:1" {
		t.Errorf("config %+v, credentials of %s: %v, %v", c, got.AccessKeyID, err, e.Err())
	}
	if c := awsConfig(env("AWS_REGION=eu-west-1")); c.BaseEndpoint != nil {
		t.Errorf("endpoint = %q; want none", *c.BaseEndpoint)
	}
	one := endpoints(func(key string) (string, bool) {
		return "http://127.0.0.1:2", key == "AWS_ENDPOINT_URL_SECRETS_MANAGER"
	})
	if url, ok, _ := one.GetServiceBaseEndpoint(t.Context(), "Secrets Manager"); !ok || url != "http://127.0.0.1:2" {
		t.Errorf("endpoint of one service = %q, %v", url, ok)
	}
}
