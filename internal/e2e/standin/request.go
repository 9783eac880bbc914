package standin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// A request is one call of an API, whatever protocol it came in.
type request struct {
	service   string // as policies prefix it: "states", "s3"
	operation string // as the API names it: "StartExecution"; empty if it cannot be told
	target    string // of a request in CBOR, as JSON protocols name it
	region    string
	key       string         // key id of who signed it; empty if nobody did
	in        map[string]any // JSON, or the form of the query protocol with text for every value
	http      *http.Request
	body      []byte
}

// name is what Handle calls the operation.
func (q request) name() string { return q.service + ":" + q.operation }

// targets are the services that JSON protocols name in X-Amz-Target, or in the
// path of a request in CBOR.
var targets = map[string]string{
	"DynamoDB_20120810":                    "dynamodb",
	"DynamoDBStreams_20120810":             "dynamodb",
	"AWSStepFunctions":                     "states",
	"AWSEvents":                            "events",
	"AmazonSSM":                            "ssm",
	"secretsmanager":                       "secretsmanager",
	"CodeBuild_20161006":                   "codebuild",
	"CodeCommit_20150413":                  "codecommit",
	"CodeDeploy_20141006":                  "codedeploy",
	"AmazonEC2ContainerRegistry_V20150921": "ecr",
	"AmazonEC2ContainerServiceV20141113":   "ecs",
	"AmazonSQS":                            "sqs",
	"TrentService":                         "kms",
	"Logs_20140328":                        "logs",
	"GraniteServiceVersion20100801":        "cloudwatch",
	"com.amazonaws.codestar.connections.CodeStar_connections_20191201": "codestar-connections",
	"com.amazonaws.codeconnections.CodeConnections_20231201":           "codeconnections",
	"CodePipeline_20150709": "codepipeline",
}

// signed are the services that requests name where they say for what they were
// signed, if policies prefix them differently.
var signed = map[string]string{"monitoring": "cloudwatch"}

// readRequest finds out what is asked. What it cannot tell stays empty.
func readRequest(r *http.Request, body []byte) request {
	q := request{http: r, body: body, in: map[string]any{}}
	q.key, q.region, q.service = scope(r)
	if to, ok := signed[q.service]; ok {
		q.service = to
	}
	switch path := strings.Split(r.URL.Path, "/"); {
	case r.Header.Get("X-Amz-Target") != "":
		target, operation, _ := cutLast(r.Header.Get("X-Amz-Target"), ".")
		q.service, q.operation = serviceOf(target), operation
		q.in = readJSON(body)
	case isCBOR(r) && len(path) == 5: // /service/<name>/operation/<name>
		q.target, q.service, q.operation = path[2]+"."+path[4], serviceOf(path[2]), path[4]
		q.in = readCBOR(body)
	case strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-www-form-urlencoded"):
		form, _ := url.ParseQuery(string(body))
		for name := range form {
			q.in[name] = form.Get(name)
		}
		q.operation = form.Get("Action")
	case q.service == "lambda":
		q.operation = lambdaOperation(r)
	case q.service == "s3" || q.service == "s3express":
		q.service, q.operation = "s3", s3Operation(r)
	}
	return q
}

func serviceOf(target string) string {
	if s, ok := targets[target]; ok {
		return s
	}
	return strings.ToLower(target)
}

var credential = regexp.MustCompile(`Credential=([^/]+)/[^/]+/([^/]+)/([^/]+)/aws4_request`)

// scope returns key, region and service that a request was signed with, in a
// header or, as a link, in its query.
func scope(r *http.Request) (key, region, service string) {
	text := r.Header.Get("Authorization")
	if text == "" {
		text = "Credential=" + r.URL.Query().Get("X-Amz-Credential")
	}
	m := credential.FindStringSubmatch(text)
	if m == nil {
		return "", "", ""
	}
	return m[1], m[2], m[3]
}

func readJSON(body []byte) map[string]any {
	in := map[string]any{}
	json.Unmarshal(body, &in) // what is no JSON is refused by moto
	return in
}

// text returns a member of the input, or "".
func (q request) text(name string) string {
	switch v := q.in[name].(type) {
	case string:
		return v
	case nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

// first returns the first of these members that is not empty.
func (q request) first(names ...string) string {
	for _, name := range names {
		if v := q.text(name); v != "" {
			return v
		}
	}
	return ""
}

// list returns a member of the input that is a list, of the JSON or the query
// protocol.
func (q request) list(name string) []any {
	if l, ok := q.in[name].([]any); ok {
		return l
	}
	var l []any
	for i := 1; ; i++ {
		v, ok := q.in[fmt.Sprintf("%s.member.%d", name, i)]
		if !ok {
			return l
		}
		l = append(l, v)
	}
}

// member returns a member of a JSON object as text.
func member(object any, name string) string {
	m, _ := object.(map[string]any)
	s, _ := m[name].(string)
	return s
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
