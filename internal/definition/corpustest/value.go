package corpustest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

const account = "123456789012"

// value fills what stands under key, at any depth.
func (f *filler) value(key string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			v[k] = f.value(k, inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = f.value(key, inner)
		}
	case string:
		if strings.Contains(v, "${") {
			return f.member(key, v)
		}
	}
	return v
}

// member returns a value for the member called key of the API's structure.
func (f *filler) member(key, s string) any {
	if !isWhole(s) {
		s = f.text(s)
		if key == "location" {
			s = strings.ToLower(s)
		}
		return s
	}
	switch key {
	case "roleArn":
		return "arn:aws:iam::" + account + ":role/" + token(s)
	case "location":
		return strings.ToLower(token(s))
	case "id":
		return "arn:aws:kms:" + f.home + ":" + account + ":key/" + token(s)
	case "type":
		return "S3"
	case "runOrder", "timeoutInMinutes":
		return 1
	case "region":
		return f.region(s)
	case "restartExecutionOnUpdate":
		return true
	case "executionMode":
		if f.v2 {
			return "QUEUED"
		}
		return "SUPERSEDED"
	case "result":
		return first(append(candidates(s), "ROLLBACK"), []string{"ROLLBACK", "RETRY"})
	}
	return token(s)
}

// region returns the Region an expression stands for. A lookup in a table
// yields the other Regions that have a store, in order.
func (f *filler) region(expr string) string {
	plain := strings.Contains(expr, "current") || expr == "${AWS::Region}"
	if plain || len(f.others) == 0 {
		return f.home
	}
	if _, ok := f.elsewhere[expr]; !ok {
		f.elsewhere[expr] = f.others[len(f.elsewhere)%len(f.others)]
	}
	return f.elsewhere[expr]
}

// setting returns a value for a configuration key.
func (f *filler) setting(key, s string) string {
	if !isWhole(s) {
		return f.text(s)
	}
	switch key {
	case "NotificationArn":
		return "arn:aws:sns:" + f.home + ":" + account + ":" + token(s)
	case "ConnectionArn":
		return "arn:aws:codeconnections:" + f.home + ":" + account + ":connection/" + token(s)
	case "RoleArn":
		return "arn:aws:iam::" + account + ":role/" + token(s)
	case "StateMachineArn":
		return "arn:aws:states:" + f.home + ":" + account + ":stateMachine:" + token(s)
	case "ActionMode":
		return "CREATE_UPDATE"
	case "PollForSourceChanges", "DetectChanges", "Extract", "BatchEnabled", "CombineArtifacts":
		return "true"
	case "OutputArtifactFormat":
		return "CODE_ZIP"
	case "FullRepositoryId":
		return "owner/" + token(s)
	case "Capabilities":
		return "CAPABILITY_IAM"
	case "ParameterOverrides":
		return "{}"
	case "EnvironmentVariables":
		return environment(s)
	}
	return token(s)
}

var pipelineVariable = regexp.MustCompile(`#\{[^{}]+\}`)

// environment returns a list of variables. References of the pipeline inside
// the expression are kept: they are part of the definition.
func environment(expr string) string {
	type variable struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	list := []variable{{"FILLED", "in"}}
	for _, ref := range pipelineVariable.FindAllString(expr, -1) {
		list = append(list, variable{"FROM_PIPELINE", ref})
	}
	data, _ := json.Marshal(list) // strings always marshal
	return string(data)
}

// text fills the placeholders inside a longer text.
func (f *filler) text(s string) string {
	var b strings.Builder
	for {
		start := strings.Index(s, "${")
		if start < 0 {
			break
		}
		end := closing(s[start:]) + start
		b.WriteString(s[:start])
		b.WriteString(f.part(b.String(), s[start:end]))
		s = s[end:]
	}
	b.WriteString(s)
	return b.String()
}

// part returns the text for one placeholder that follows before.
func (f *filler) part(before, expr string) string {
	lower := strings.ToLower(expr)
	switch {
	case strings.HasSuffix(before, ":iam::") || expr == "${AWS::AccountId}" || strings.Contains(lower, "account_id"):
		return account
	case strings.Contains(expr, "AWS::Region") || strings.Contains(lower, "aws_region"):
		return f.home
	case strings.Contains(expr, "AWS::Partition"):
		return "aws"
	}
	return token(expr)
}

// isWhole reports whether s is one placeholder and nothing else.
func isWhole(s string) bool { return strings.HasPrefix(s, "${") && closing(s) == len(s) }

// closing returns the length of the placeholder at the start of s, which may
// hold braces of its own. One that never closes takes the rest.
func closing(s string) int {
	depth := 0
	for i := range len(s) {
		switch s[i] {
		case '{':
			depth++
		case '}':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

var (
	notWord = regexp.MustCompile(`[^A-Za-z0-9]+`)
	literal = regexp.MustCompile(`"([^"$]+)"`)
)

// token returns a name for an expression, the same one every time.
func token(expr string) string {
	name := strings.Trim(notWord.ReplaceAllString(expr, "-"), "-")
	if len(name) > 32 {
		name = strings.Trim(name[len(name)-32:], "-")
	}
	for len(name) < 3 {
		name += "x"
	}
	return name
}

// candidates returns the literals inside an expression, in order.
func candidates(expr string) []string {
	var list []string
	for _, m := range literal.FindAllStringSubmatch(expr, -1) {
		list = append(list, m[1])
	}
	return slices.Clip(list)
}
