package standin_test

import (
	"bytes"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

// A run keeps the text it began with; new runs and calls get the new ones; the
// version that the stack dropped cannot be started.
func (w *world) secondDeployment(t *testing.T) {
	old := w.out["Version"]
	run := w.start(t, old, "waits", "token")
	w.await(t, "notes/token-waits")
	w.deploy(t, app{version: "two", auth: "AWS_IAM"})

	token := w.body(t, "notes/token-waits")
	if _, err := w.sfn().SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`"me"`)}); err != nil {
		t.Fatal(err)
	}
	_, err := w.sfn().SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: &token, Output: aws.String(`"again"`)})
	var late *sfntypes.TaskTimedOut
	if !errors.As(err, &late) {
		t.Errorf("a second answer: %v; want %T", err, late)
	}
	if got, want := *w.end(t, run).Output, `{"do": "token", "answer": "me", "text": "text one"}`; got != want {
		t.Errorf("output %s; want %s", got, want)
	}
	if want := strings.TrimSuffix(old, "1") + "2"; w.out["Version"] != want {
		t.Fatalf("version %s; want %s", w.out["Version"], want)
	}
	if got, want := *w.end(t, w.start(t, w.out["Version"], "new", "answer")).Output, `{"do": "answer", "answer": {"by": "two"}, "text": "text two"}`; got != want {
		t.Errorf("output %s; want %s", got, want)
	}
	_, err = w.sfn().StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: &old, Name: aws.String("late"), Input: aws.String("{}")})
	var gone *sfntypes.StateMachineDoesNotExist
	if !errors.As(err, &gone) {
		t.Errorf("a start of the old version: %v; want %T", err, gone)
	}
	if got, want := w.out["Greeting"], "Update "+w.out["Version"]; got != want {
		t.Errorf("attribute of the custom resource: %q; want %q", got, want)
	}
}

// The second deployment asks for signatures.
func (w *world) signedURL(t *testing.T) {
	for name, tt := range map[string]struct {
		service, secret string
		status          int
	}{
		"unsigned":         {"", "", http.StatusForbidden},
		"signed otherwise": {"codepipeline", "standin", http.StatusForbidden},
		"signed badly":     {"lambda", "guessed", http.StatusForbidden},
		"signed":           {"lambda", "standin", http.StatusCreated},
	} {
		r, err := http.NewRequest(http.MethodPost, w.out["Url"], bytes.NewReader([]byte("{}")))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		sign(t, r, tt.service, tt.secret)
		status, body := w.open(t, r)
		if status != tt.status {
			t.Errorf("%s: %d %s; want %d", name, status, body, tt.status)
		}
		if tt.status == http.StatusCreated && !strings.Contains(body, `"userArn":"arn:aws:iam::123456789012:user/person"`) {
			t.Errorf("%s: the function got %s; want it to say who calls", name, body)
		}
	}
}

// A custom resource that fails ends the deployment with its reason, and the
// stack is as before.
func (w *world) failingDeployment(t *testing.T) {
	_, err := w.Deploy(t.Context(), app{version: "three", auth: "NONE", fail: "no such greeting"}.write(t))
	var exit *exec.ExitError
	if !errors.As(err, &exit) || !strings.Contains(err.Error(), "no such greeting") {
		t.Fatalf("deployment: %v; want it to fail with the reason", err)
	}
	if answer, err := w.Invoke(t.Context(), "example", map[string]string{"do": "version"}); err != nil || string(answer) != `{"version":"two"}` {
		t.Errorf("the function says %s, %v; want what was there before", answer, err)
	}
}
