package standin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
)

// Outputs are the outputs of stacks, by name of the stack and of the output.
type Outputs map[string]map[string]string

// Deploy deploys stacks of a cloud assembly, all if none is named, as
// `cdk deploy` does, and returns their outputs. The first call bootstraps the
// account. It fails when the CDK does, with what that said last, and when a
// stack lacks a resource that its template has: the CDK has reported success
// for stacks without any.
func (s *Standin) Deploy(ctx context.Context, assembly string, stacks ...string) (Outputs, error) {
	cdk, err := s.bootstrapped(ctx)
	if err != nil {
		return nil, err
	}
	result := filepath.Join(s.t.TempDir(), "outputs.json")
	arguments := []string{
		"deploy", "--app", assembly, "--require-approval", "never", "--method", "direct",
		"--no-previous-parameters", "--progress", "events", "--outputs-file", result,
	}
	if len(stacks) == 0 {
		arguments = append(arguments, "--all")
	}
	if err := s.cdk(ctx, cdk, append(arguments, stacks...)...); err != nil {
		return nil, err
	}
	if err := s.complete(ctx, assembly, stacks); err != nil {
		return nil, err
	}
	outputs := Outputs{}
	data, err := os.ReadFile(result)
	if os.IsNotExist(err) {
		return outputs, nil // no stack has any
	}
	if err != nil {
		return nil, err
	}
	return outputs, json.Unmarshal(data, &outputs)
}

// Destroy deletes stacks of a cloud assembly, as `cdk destroy` does. Names may be
// patterns.
func (s *Standin) Destroy(ctx context.Context, assembly string, stacks ...string) error {
	cdk, err := s.bootstrapped(ctx)
	if err != nil {
		return err
	}
	return s.cdk(ctx, cdk, append([]string{"destroy", "--app", assembly, "--force"}, stacks...)...)
}

// bootstrapped returns the CDK's program once the account is bootstrapped.
func (s *Standin) bootstrapped(ctx context.Context) (string, error) {
	cdk, err := findCDK()
	if err != nil {
		return "", err
	}
	s.bootstrap.Lock()
	defer s.bootstrap.Unlock()
	if s.isBootstrapped {
		return cdk, nil
	}
	if err := s.cdk(ctx, cdk, "bootstrap", "aws://"+Account+"/"+Region); err != nil {
		return "", err
	}
	s.isBootstrapped = true
	return cdk, nil
}

func (s *Standin) cdk(ctx context.Context, program string, arguments ...string) error {
	cmd := exec.CommandContext(ctx, program, append(arguments, "--no-notices", "--ci", "--no-color")...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.Env()...)
	cmd.Env = append(cmd.Env, "CDK_DISABLE_VERSION_CHECK=1", "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("cdk %s: %w: %s", arguments[0], err, bytes.TrimSpace(out[max(0, len(out)-4096):]))
	}
	return nil
}

// complete checks that the stacks have every resource of their templates.
func (s *Standin) complete(ctx context.Context, assembly string, stacks []string) error {
	templates, err := readAssembly(assembly)
	if err != nil {
		return err
	}
	client := cloudformation.NewFromConfig(s.direct())
	for id, t := range templates {
		if len(stacks) > 0 && !slices.Contains(stacks, id) && !slices.Contains(stacks, t.name) {
			continue
		}
		if err := succeeded(ctx, client, t.name); err != nil {
			return err
		}
		there := map[string]bool{}
		for pages := cloudformation.NewListStackResourcesPaginator(client, &cloudformation.ListStackResourcesInput{StackName: &t.name}); pages.HasMorePages(); {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return fmt.Errorf("stack %s after deployment: %w", t.name, err)
			}
			for _, r := range page.StackResourceSummaries {
				there[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId) != ""
			}
		}
		for name, resource := range t.Resources {
			if !there[name] && resource.Condition == "" {
				return fmt.Errorf("stack %s was deployed without %s (%s)", t.name, name, resource.Type)
			}
		}
	}
	return nil
}

// succeeded checks that a stack is as its last template says.
func succeeded(ctx context.Context, client *cloudformation.Client, name string) error {
	out, err := client.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &name})
	if err != nil {
		return fmt.Errorf("stack %s after deployment: %w", name, err)
	}
	if s := out.Stacks[0].StackStatus; s != types.StackStatusCreateComplete && s != types.StackStatusUpdateComplete {
		return fmt.Errorf("stack %s is %s after deployment", name, s)
	}
	return nil
}

// A template is what of a stack's template is looked at.
type template struct {
	name      string
	Resources map[string]struct{ Type, Condition string }
}

// readAssembly returns the templates of a cloud assembly by id of their stack.
func readAssembly(dir string) (map[string]template, error) {
	var manifest struct {
		Artifacts map[string]struct {
			Type       string
			Properties struct{ TemplateFile, StackName string }
		}
	}
	if err := readFile(filepath.Join(dir, "manifest.json"), &manifest); err != nil {
		return nil, err
	}
	templates := map[string]template{}
	for id, a := range manifest.Artifacts {
		if a.Type != "aws:cloudformation:stack" {
			continue
		}
		t := template{name: a.Properties.StackName}
		if t.name == "" {
			t.name = id
		}
		if err := readFile(filepath.Join(dir, a.Properties.TemplateFile), &t); err != nil {
			return nil, err
		}
		templates[id] = t
	}
	return templates, nil
}

func readFile(file string, to any) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, to); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// NeedCDK skips a test where the CDK's program is not installed, unless
// SLUICE_NEED_MOTO is set: then it fails.
func NeedCDK(t testing.TB) {
	t.Helper()
	_, err := findCDK()
	skipOrFail(t, err)
}

// findCDK returns the CDK's program, which tools/package.json pins.
func findCDK() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		program := filepath.Join(dir, "tools", "node_modules", ".bin", "cdk")
		if _, err := os.Stat(program); err == nil {
			return program, nil
		}
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil || dir == filepath.Dir(dir) {
			return "", fmt.Errorf("the CDK is not there (make deps installs it): no %s", strings.TrimPrefix(program, dir+"/"))
		}
		dir = filepath.Dir(dir)
	}
}
