package cli_test

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/cli"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// TestExitCodes runs commands to every exit code. Whatever leaves something to
// do ends its stderr with what to type next.
func TestExitCodes(t *testing.T) {
	done := func(t *testing.T) *fake {
		return serve(t, pipeline.Succeeded, "Source/Fetch=Succeeded", "Build/Compile=Succeeded")
	}
	ended := func(s pipeline.Status) func(t *testing.T) *fake {
		return func(t *testing.T) *fake { return serve(t, s, "Source/Fetch=Succeeded") }
	}
	failed := func(t *testing.T) *fake {
		return serve(t, pipeline.Failed, "Source/Fetch=Succeeded", "Build/Compile=Failed")
	}
	held := func(t *testing.T) *fake {
		f := serve(t, pipeline.InProgress, "Source/Fetch=Succeeded", "Build/Compile=Succeeded")
		f.held = true
		return f
	}
	tests := []struct {
		name   string
		server func(t *testing.T) *fake // nil: none is needed
		args   string
		want   int
		try    string // what the last line of stderr says
	}{
		{"version", nil, "version", 0, ""},
		{"help", nil, "help", 0, ""},
		{"help of a command", nil, "help list", 0, ""},
		{"help of no command", nil, "help lst", 2, "try: sluice --help"},
		{"completion", nil, "completion bash", 0, ""},
		{"completion of no shell", nil, "completion bsh", 2, "try: sluice completion --help"},
		{"unknown command", nil, "lst", 2, "try: sluice --help"},
		{"unknown flag", nil, "list --nope", 2, "try: sluice list --help"},
		{"argument missing", nil, "watch", 2, "try: sluice watch --help"},
		{"argument too many", nil, "status a b", 2, "try: sluice status --help"},
		{"unknown output", nil, "list --output xml", 2, "try: sluice list --help"},
		{"endpoint is no URL", nil, "list --endpoint localhost", 2, "try: sluice list --help"},
		{"connect to no function", nil, "connect http://example.com", 2, "try: sluice connect --help"},
		{"connect to everybody", nil, "connect https://abc.lambda-url.eu-west-1.on.aws --listen 0.0.0.0:1", 2, "try: sluice connect https://abc.lambda-url.eu-west-1.on.aws --listen 127.0.0.1:1"},
		{"nobody answers", nil, "list --endpoint http://127.0.0.1:1", 1, "try: sluice up"},
		{"no folder", nil, "list --data testdata/nowhere", 4, "try: sluice up --help"},
		{"another folder", nil, "list --data testdata/pipelines", 4, "try: sluice up --help"},
		{"valid", nil, "validate testdata/pipelines/web.yaml", 0, "warning: testdata/pipelines/web.yaml:26:9: stages[2].actions[0]: Deploy/Fargate (Deploy ECS) would be simulated on this machine"},
		{"invalid", nil, "validate testdata/bad.yaml", 2, "try: sluice validate testdata/bad.yaml"},
		{"no file", nil, "validate testdata/none.yaml", 2, "try: sluice validate testdata/none.yaml"},
		{"nothing to validate", nil, "validate .", 2, "try: sluice validate --help"},
		{"graph of an invalid one", nil, "graph testdata/bad.yaml", 2, "try: sluice validate testdata/bad.yaml"},
		{"unknown format", nil, "graph testdata/pipelines/web.yaml --format png", 2, "try: sluice graph --help"},
		{"source is not mapped", nil, "run testdata/pipelines/web.yaml --data testdata/nowhere", 2, "try: sluice run --help"},
		{"source is nowhere", nil, "run testdata/pipelines/web.yaml --source Fetch=testdata/none", 2, "try: sluice run --help"},
		{"everyone could listen", nil, "up testdata/pipelines --listen 0.0.0.0:80", 2, "try: sluice up --listen 127.0.0.1:80"},
		{"no definitions", nil, "up testdata/none", 2, "try: sluice demo"},

		{"list", done, "list", 0, ""},
		{"no such pipeline", done, "list nope", 4, "try: sluice list --endpoint URL"},
		{"succeeded", done, "watch web", 0, ""},
		{"failed", failed, "watch web", 1, "try: sluice retry web Build --endpoint URL"},
		{"superseded", ended(pipeline.SupersededExecution), "watch web", 9, "try: sluice list web --endpoint URL"},
		{"stopped", ended(pipeline.Stopped), "watch web", 9, "try: sluice list web --endpoint URL"},
		{"cancelled", ended(pipeline.Cancelled), "watch web", 9, "try: sluice list web --endpoint URL"},
		{"waiting for approval", waiting, "watch web", 3, "try: sluice reject web --endpoint URL"},
		{"waiting for a transition", held, "watch web", 3, "try: sluice status web --endpoint URL"},
		{"no such execution", done, "watch web 99999999-aaaa-4bbb-8ccc-000000000001", 4, "try: sluice list web --endpoint URL"},
		{"beginning of an id", done, "watch web 1111", 0, ""},
		{"beginning of no id", done, "watch web 9999", 4, "try: sluice list web --endpoint URL"},
		{"status", waiting, "status web", 0, "try: sluice approve web --endpoint URL"},
		{"logs of no action", done, "logs web Build/Compil", 4, "try: sluice logs web Build/Compile --endpoint URL"},
		{"logs of one that did not run", done, "logs web Deploy/Fargate", 4, "try: sluice status web --endpoint URL"},
		{"start", done, "start web", 0, "try: sluice watch web --endpoint URL"},
		{"start and watch", failed, "start web --watch", 1, "try: sluice retry web Build --endpoint URL"},
		{"variable without value", done, "start web --var x", 2, "try: sluice start --help"},
		{"approve", waiting, "approve web", 0, "try: sluice watch web --endpoint URL"},
		{"approve nothing", done, "approve web", 4, "try: sluice status web --endpoint URL"},
		{"approve another", waiting, "approve web --action Other", 4, "try: sluice status web --endpoint URL"},
		{"reject", waiting, "reject web", 0, "try: sluice watch web --endpoint URL"},
		{"stop", waiting, "stop web", 0, "try: sluice watch web 11111111 --endpoint URL"},
		{"stop nothing", done, "stop web", 4, "try: sluice list web --endpoint URL"},
		{"retry", failed, "retry web Build", 0, "try: sluice watch web --endpoint URL"},
		{"retry no stage", failed, "retry web Buidl", 4, "try: sluice retry web Build --endpoint URL"},
		{"retry in no mode", failed, "retry web Build --mode ALL", 2, "try: sluice retry --help"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := strings.Fields(tt.args)
			url := ""
			if tt.server != nil {
				url = tt.server(t).url
				args = append(args, "--endpoint", url)
			}
			got := sluice(t, args...)
			if got.exit != tt.want {
				t.Errorf("exit code %d; want %d", got.exit, tt.want)
			}
			lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(got.stderr, url, "URL")), "\n")
			if url == "" {
				lines = strings.Split(strings.TrimSpace(got.stderr), "\n")
			}
			if last := lines[len(lines)-1]; last != tt.try {
				t.Errorf("stderr ends with %q; want %q\n%s", last, tt.try, got.stderr)
			}
		})
	}
}

// TestLookingMakesNothing: a typing mistake must not become a data folder.
func TestLookingMakesNothing(t *testing.T) {
	folder := t.TempDir()
	for _, args := range []string{"list", "status web", "start web", "approve web"} {
		got := sluice(t, append(strings.Fields(args), "--data", folder)...)
		if got.exit != cli.ExitNotFound {
			t.Errorf("%s: exit code %d; want %d", args, got.exit, cli.ExitNotFound)
		}
	}
	if entries, err := os.ReadDir(folder); len(entries) > 0 || err != nil {
		t.Errorf("the folder holds %v, %v; want nothing", entries, err)
	}
}

// TestWaiting pins what a run is said to wait for, and what answers it.
func TestWaiting(t *testing.T) {
	held := serve(t, pipeline.InProgress, "Source/Fetch=Succeeded", "Build/Compile=Succeeded")
	held.held = true
	parallel := waiting(t)
	parallel.mode = pipeline.Parallel
	for _, tt := range []struct {
		name   string
		server *fake
		want   string
	}{
		{"an approval", waiting(t), "try: sluice approve web --endpoint URL\n"},
		{"an approval of one of many", parallel, "try: sluice approve web --execution 11111111 --endpoint URL\n"},
		{"a transition", held, "In front of stage Deploy the run waits: the transition into this stage is disabled: freeze.\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := sluice(t, "watch", "web", "--endpoint", tt.server.url)
			if said := strings.ReplaceAll(got.stderr, tt.server.url, "URL"); !strings.Contains(said, tt.want) {
				t.Errorf("stderr is\n%swant %s in it", said, tt.want)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	f := serve(t, pipeline.InProgress, "Source/Fetch=InProgress")
	ctx, cancel := context.WithCancel(t.Context())
	f.after = func(operation string) {
		if operation == "GetPipelineState" {
			cancel()
		}
	}
	got := sluiceIn(t, ctx, nil, "watch", "web", "--endpoint", f.url)
	if got.exit != cli.ExitInterrupted || !strings.Contains(got.stderr, "try: ") {
		t.Errorf("exit code %d, stderr %q; want %d and what to type next", got.exit, got.stderr, cli.ExitInterrupted)
	}
}

func TestHelpSaysExitCodes(t *testing.T) {
	help := sluice(t, "--help").stdout
	for _, code := range []string{"0 ", "1 ", "2 ", "3 ", "4 ", "9 ", "130 "} {
		if !strings.Contains(help, "\n  "+code) {
			t.Errorf("the help does not explain exit code %s", code)
		}
	}
}

// TestViews pins what commands print.
func TestViews(t *testing.T) {
	all := func(t *testing.T) *fake {
		f := serve(t, pipeline.Succeeded, "Source/Fetch=Succeeded", "Build/Compile=Succeeded", "Build/Lint=Succeeded", "Approval/Release=Succeeded", "Deploy/Fargate=Succeeded")
		f.logs["id-Compile"] = "[Container] 2026/03/01 12:00:00.000000 Entering phase BUILD\n[Container] 2026/03/01 12:00:00.000000 Running command make\none\n\x1b[31mtwo\x1b[0m\rthree\npartial"
		return f
	}
	tests := []struct {
		golden string
		server func(t *testing.T) *fake
		args   string
	}{
		{"list.txt", all, "list"},
		{"list.json", all, "list --output json"},
		{"executions.txt", all, "list web"},
		{"executions.json", all, "list web -o json"},
		{"status.txt", waiting, "status web"},
		{"status.json", waiting, "status web -o json"},
		{"watch.txt", waiting, "watch web"},
		{"start.txt", all, "start web --watch"},
		{"start.json", all, "start web -o json"},
		{"logs.txt", all, "logs web"},
		{"log.txt", all, "logs web Compile"},
		{"graph.txt", nil, "graph testdata/pipelines/web.yaml"},
		{"graph.mermaid", nil, "graph testdata/pipelines/web.yaml --format mermaid"},
		{"graph.dot", nil, "graph testdata/pipelines/web.yaml --format dot"},
		{"validate.txt", nil, "validate testdata/pipelines"},
		{"validate.json", nil, "validate testdata/pipelines -o json"},
	}
	for _, tt := range tests {
		t.Run(tt.golden, func(t *testing.T) {
			args := strings.Fields(tt.args)
			if tt.server != nil {
				args = append(args, "--endpoint", tt.server(t).url)
			}
			golden(t, tt.golden, sluice(t, args...).stdout)
		})
	}
}

// TestMistakes leaves the texts to package definition.
func TestMistakes(t *testing.T) {
	got := sluice(t, "validate", "testdata/pipelines", "testdata/bad.yaml")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "web: ") {
		t.Fatalf("stdout has %d lines; want one for web and one for each of two mistakes:\n%s", len(lines), got.stdout)
	}
	for i, at := range []string{"testdata/bad.yaml:6:", "testdata/bad.yaml:10:"} {
		if !strings.HasPrefix(lines[i+1], at) {
			t.Errorf("line %q; want it to begin with %s", lines[i+1], at)
		}
	}
	var report struct {
		Problems []struct {
			Line int
			Fix  string
		}
	}
	if err := json.Unmarshal([]byte(sluice(t, "validate", "testdata/bad.yaml", "-o", "json").stdout), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) != 2 || report.Problems[1].Line != 10 || report.Problems[1].Fix == "" {
		t.Errorf("problems %+v; want two, the second in line 10 with a fix", report.Problems)
	}
}

// TestGraphASL leaves the text of machines to package compile.
func TestGraphASL(t *testing.T) {
	got := sluice(t, "graph", "testdata/pipelines/web.yaml", "--format", "asl")
	var m struct{ StartAt string }
	if err := json.Unmarshal([]byte(got.stdout), &m); err != nil || m.StartAt == "" {
		t.Errorf("asl: %v, StartAt %q; want a machine", err, m.StartAt)
	}
}

func TestPlainInPipes(t *testing.T) {
	f := serve(t, pipeline.InProgress, "Source/Fetch=Succeeded", "Build/Compile=InProgress")
	f.logs["id-Compile"] = "\x1b[2Jcleared\n"
	looks := 0
	f.after = func(operation string) {
		if looks++; operation == "GetPipelineState" && looks > 8 {
			f.status, f.actions["Build/Compile"] = pipeline.Succeeded, pipeline.Succeeded
		}
	}
	got := sluice(t, "watch", "web", "--endpoint", f.url)
	want := `execution ` + run1 + ` of web, started by CloudWatchEvent
Source/Fetch: Succeeded 25s ab12ab1 Fix the thing
Build/Compile: InProgress
Build/Compile | cleared
Build/Compile: Succeeded 25s
execution ` + run1 + ` of web: Succeeded in 50s
`
	if diff := cmp.Diff(want, got.stdout); diff != "" {
		t.Error(diff)
	}
}

// TestJSONIsTheAPIs compares what commands print with what the API answered.
func TestJSONIsTheAPIs(t *testing.T) {
	f := waiting(t)
	tests := []struct{ args, operation string }{
		{"list", "ListPipelines"},
		{"list web", "ListPipelineExecutions"},
		{"status web", "GetPipelineState"},
		{"watch web", "GetPipelineExecution"},
		{"start web", "StartPipelineExecution"},
		{"approve web", "PutApprovalResult"},
		{"stop web", "StopPipelineExecution"},
		{"retry web Build", "RetryStageExecution"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			got := sluice(t, append(strings.Fields(tt.args), "--output", "json", "--endpoint", f.url)...)
			answer, err := json.Marshal(f.answer(tt.operation))
			if err != nil {
				t.Fatal(err)
			}
			var is, want any
			if err := json.Unmarshal([]byte(got.stdout), &is); err != nil {
				t.Fatalf("stdout is no JSON: %v\n%s", err, got.stdout)
			}
			if err := json.Unmarshal(answer, &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, is); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestRequests pins what commands that change something ask for.
func TestRequests(t *testing.T) {
	f := waiting(t)
	tests := []struct{ args, operation, want string }{
		{"start web --var A=b=c --token t1", "StartPipelineExecution", `{"name":"web","variables":[{"name":"A","value":"b=c"}],"clientRequestToken":"t1"}`},
		{"approve web -m fine", "PutApprovalResult", `{"pipelineName":"web","stageName":"Approval","actionName":"Release","result":{"summary":"fine","status":"Approved"},"token":"token-1"}`},
		{"reject web --action Approval/Release", "PutApprovalResult", `{"pipelineName":"web","stageName":"Approval","actionName":"Release","result":{"summary":"Rejected with sluice","status":"Rejected"},"token":"token-1"}`},
		{"stop web --abandon --reason why", "StopPipelineExecution", `{"pipelineName":"web","pipelineExecutionId":"` + run1 + `","abandon":true,"reason":"why"}`},
		{"retry web Build --mode ALL_ACTIONS", "RetryStageExecution", `{"pipelineName":"web","stageName":"Build","pipelineExecutionId":"` + run1 + `","retryMode":"ALL_ACTIONS"}`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			if got := sluice(t, append(strings.Fields(tt.args), "--endpoint", f.url)...); got.exit != 0 {
				t.Fatalf("exit code %d: %s", got.exit, got.stderr)
			}
			if got := string(f.got[tt.operation]); got != tt.want {
				t.Errorf("asked for %s; want %s", got, tt.want)
			}
		})
	}
}

// TestPictureFits keeps the picture in bounds: whatever the window, no line is
// wider than it, and the picture is not higher.
func TestPictureFits(t *testing.T) {
	for _, size := range [][2]int{{200, 50}, {80, 24}, {40, 8}, {20, 4}, {5, 2}, {1, 1}} {
		f := waiting(t)
		width, height := size[0], size[1]
		got := sluiceIn(t, t.Context(), func() (int, int, bool) { return width, height, true }, "watch", "web", "--endpoint", f.url)
		if got.exit != cli.ExitWaiting {
			t.Fatalf("exit code %d: %s", got.exit, got.stderr)
		}
		paintings := strings.Split(got.stdout, "\x1b[J")
		for i, p := range paintings {
			lines := strings.Split(strings.TrimSuffix(p, "\n"), "\n")
			if i < len(paintings)-1 && len(lines) > max(height, 1)+1 { // one more holds the way up
				t.Errorf("%dx%d: a picture of %d lines", width, height, len(lines))
			}
			for _, line := range lines {
				if n := cli.Cells(strings.TrimSuffix(line, "\r")); n > width {
					t.Errorf("%dx%d: a line of %d cells: %q", width, height, n, line)
				}
			}
		}
	}
}
