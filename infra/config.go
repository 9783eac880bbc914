package infra

import (
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/constructs-go/constructs/v10"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A config is all that differs between deployments.
type config struct {
	place
	root      string // folder that has functions and build
	pipelines string // folder of the definitions
	arch      string // arm64, amd64
	log       string // debug, info, warn, error
	retention int    // days that artifacts and logs are kept
	links     bool   // whether approvals can be answered by a link
	qualifier string // of cdk bootstrap
	alerts    []string
	approvers []string
	schedules map[string]string // expression by pipeline
	allow     elsewhere
}

// prefix is what all our context keys begin with.
const prefix = "sluice:"

// keys are the context keys and what each takes.
var keys = map[string]string{
	"name":      `lower-case letters and digits, at most 20, a letter first, such as "sluice"`,
	"account":   `12 digits, such as "111122223333"`,
	"region":    `a Region, such as "eu-west-1"`,
	"pipelines": `a folder, such as "infra/pipelines"`,
	"alerts":    `e-mail addresses, such as ["ops@example.com"]`,
	"approvers": `e-mail addresses, such as ["lead@example.com"]`,
	"links":     "true or false",
	"retention": "a number of days from 1 to 3650, such as 90",
	"log":       "debug, info, warn or error",
	"schedules": `an expression for each pipeline, such as {"web": "cron(0 6 * * ? *)"}`,
	"arch":      "arm64 or amd64",
	"allow":     `ARNs of roles, topics, buckets, keys, secrets or parameters, such as ["arn:aws:iam::111122223333:role/deploy"]`,
}

// readConfig reads the context of the app. lookup gives an environment variable
// or "". Everything wrong is one error.
func readConfig(node constructs.Node, root string, lookup func(string) string) (config, error) {
	c := reader{node: node}
	c.unknown()
	cfg := config{
		place: place{
			name:    c.matching("name", "sluice", `^[a-z][a-z0-9]{0,19}$`),
			account: c.matching("account", lookup("CDK_DEFAULT_ACCOUNT"), `^\d{12}$`),
			region:  c.matching("region", lookup("CDK_DEFAULT_REGION"), `^[a-z]{2}(-[a-z]+)+-\d$`),
		},
		root:      root,
		pipelines: c.matching("pipelines", "infra/pipelines", `.`),
		arch:      c.matching("arch", "arm64", `^(arm64|amd64)$`),
		log:       c.matching("log", "info", `^(debug|info|warn|error)$`),
		retention: c.days("retention", 90),
		links:     c.matching("links", "true", `^(true|false)$`) == "true",
		alerts:    c.addresses("alerts"),
		approvers: c.addresses("approvers"),
		schedules: c.expressions("schedules"),
		allow:     c.arns("allow"),
		qualifier: "hnb659fds",
	}
	if q, ok := node.TryGetContext(&bootstrapQualifier).(string); ok {
		cfg.qualifier = q
	}
	return cfg, errors.Join(c.errs...)
}

// bootstrapQualifier is the CDK's own context key for accounts that were
// bootstrapped with --qualifier.
var bootstrapQualifier = "@aws-cdk/core:bootstrapQualifier"

// A reader reads context values. They come from cdk.json, in JSON's types, or
// from the command line (-c key=value), always as text.
type reader struct {
	node constructs.Node
	errs []error
}

func (r *reader) value(key string) any {
	full := prefix + key
	return r.node.TryGetContext(&full)
}

// fail says what is wrong with a key, and what to write instead.
func (r *reader) fail(key string, value any, hint string) {
	r.errs = append(r.errs, fmt.Errorf("context %s%s is %s; write %s (in cdk.json, or with -c %s%s=...)%s", prefix, key, quoted(value), keys[key], prefix, key, hint))
}

// quoted returns a value as it was meant to be written.
func quoted(value any) string {
	if value == nil || value == "" {
		return "not set"
	}
	return fmt.Sprintf("%q", fmt.Sprint(value))
}

// unknown reports keys that begin like ours and are none: a mistyped one would
// switch off what it was to switch on.
func (r *reader) unknown() {
	all, _ := r.node.GetAllContext(nil).(map[string]any)
	for _, full := range slices.Sorted(maps.Keys(all)) {
		key, ours := strings.CutPrefix(full, prefix)
		if _, known := keys[key]; !ours || known {
			continue
		}
		names := slices.Sorted(maps.Keys(keys))
		fix := "there are " + strings.Join(names, ", ")
		if near := pipeline.Nearest(key, names); near != "" {
			fix = "did you mean " + prefix + near + "?"
		}
		r.errs = append(r.errs, fmt.Errorf("context %s is unknown; %s", full, fix))
	}
}

// matching returns the text of a key, or standard when it is not set.
func (r *reader) matching(key, standard, expression string) string {
	value := r.value(key)
	text := standard
	if value != nil {
		text = fmt.Sprint(value)
	}
	if !regexp.MustCompile(expression).MatchString(text) {
		hint := ""
		if standard == "" && text == "" {
			hint = ", or log in: with credentials, the cdk command sets it itself"
		}
		r.fail(key, text, hint)
	}
	return text
}

func (r *reader) days(key string, standard int) int {
	value := r.value(key)
	if value == nil {
		return standard
	}
	n, err := strconv.Atoi(fmt.Sprint(value))
	if err != nil || n < 1 || n > 3650 {
		r.fail(key, value, "")
	}
	return n
}

// list returns the texts of a list, which may also be one text with commas.
func (r *reader) list(key string) []string {
	var all []string
	switch value := r.value(key).(type) {
	case nil:
	case []any:
		for _, v := range value {
			all = append(all, fmt.Sprint(v))
		}
	case string:
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	default:
		r.fail(key, value, "")
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (r *reader) addresses(key string) []string {
	all := r.list(key)
	for _, text := range all {
		if a, err := mail.ParseAddress(text); err != nil || a.Address != text {
			r.fail(key, text, "")
		}
	}
	return all
}

func (r *reader) expressions(key string) map[string]string {
	value := r.value(key)
	object, ok := value.(map[string]any)
	if !ok && value != nil {
		r.fail(key, value, "")
	}
	all := map[string]string{}
	for name, v := range object {
		text := fmt.Sprint(v)
		if !schedule.MatchString(text) {
			r.fail(key, name+": "+text, "")
		}
		all[name] = text
	}
	return all
}

// schedule is what EventBridge takes for a rule.
var schedule = regexp.MustCompile(`^(rate\(\d+ (minutes?|hours?|days?)\)|cron\(\S+( \S+){5}\))$`)

// arns sorts the ARNs of a list by what they name.
func (r *reader) arns(key string) elsewhere {
	var e elsewhere
	for _, text := range r.list(key) {
		if !e.add(text) {
			r.fail(key, text, "")
		}
	}
	return e
}

// add puts an ARN to its kind, and reports whether it is of one of them.
func (e *elsewhere) add(arn string) bool {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" || parts[5] == "" || strings.ContainsAny(arn, "*?") {
		return false
	}
	kinds := []struct {
		service, kind string
		list          *[]string
	}{
		{"iam", "role/", &e.roles}, {"sns", "", &e.topics}, {"s3", "", &e.buckets}, {"kms", "key/", &e.keys},
		{"secretsmanager", "secret:", &e.secrets}, {"ssm", "parameter/", &e.parameters},
	}
	for _, k := range kinds {
		if parts[2] == k.service && strings.HasPrefix(parts[5], k.kind) {
			if !slices.Contains(*k.list, arn) {
				*k.list = append(*k.list, arn)
			}
			return true
		}
	}
	return false
}
