package standin

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
)

// lambdaPaths say what Lambda is asked. They are matched in order, by method
// and by what follows the date.
var lambdaPaths = []struct{ method, path, operation string }{
	{"POST", "/functions/[^/]+/invocations", "Invoke"},
	{"GET", "/functions/?", "ListFunctions"},
	{"POST", "/functions/?", "CreateFunction"},
	{"GET", "/functions/[^/]+", "GetFunction"},
	{"DELETE", "/functions/[^/]+", "DeleteFunction"},
	{"GET", "/functions/[^/]+/configuration", "GetFunctionConfiguration"},
	{"PUT", "/functions/[^/]+/configuration", "UpdateFunctionConfiguration"},
	{"PUT", "/functions/[^/]+/code", "UpdateFunctionCode"},
	{"GET", "/functions/[^/]+/versions", "ListVersionsByFunction"},
	{"POST", "/functions/[^/]+/versions", "PublishVersion"},
	{"GET", "/functions/[^/]+/aliases", "ListAliases"},
	{"POST", "/functions/[^/]+/aliases", "CreateAlias"},
	{"GET", "/functions/[^/]+/aliases/[^/]+", "GetAlias"},
	{"PUT", "/functions/[^/]+/aliases/[^/]+", "UpdateAlias"},
	{"DELETE", "/functions/[^/]+/aliases/[^/]+", "DeleteAlias"},
	{"GET", "/functions/[^/]+/policy", "GetPolicy"},
	{"POST", "/functions/[^/]+/policy", "AddPermission"},
	{"DELETE", "/functions/[^/]+/policy/[^/]+", "RemovePermission"},
	{"GET", "/functions/[^/]+/url", "GetFunctionUrlConfig"},
	{"GET", "/tags/.+", "ListTags"},
	{"POST", "/tags/.+", "TagResource"},
	{"GET", "/event-source-mappings/?", "ListEventSourceMappings"},
}

var lambdaDate = regexp.MustCompile(`^/\d{4}-\d\d-\d\d`)

func lambdaOperation(r *http.Request) string {
	path := lambdaDate.ReplaceAllString(r.URL.EscapedPath(), "")
	for _, p := range lambdaPaths {
		if p.method == r.Method && regexp.MustCompile("^"+p.path+"$").MatchString(path) {
			return p.operation
		}
	}
	return ""
}

var functionPath = regexp.MustCompile(`/functions/([^/]+)`)

// functionARN returns the ARN of the function in a path of Lambda's, qualifier
// and all.
func (q request) functionARN() string {
	m := functionPath.FindStringSubmatch(q.http.URL.EscapedPath())
	if m == nil {
		return "*"
	}
	name, err := url.PathUnescape(m[1])
	if err != nil {
		return "*"
	}
	arn := q.arn("function:" + name)
	if strings.HasPrefix(name, "arn:") {
		arn = name
	}
	if v := q.http.URL.Query().Get("Qualifier"); v != "" && strings.Count(arn, ":") == 6 {
		arn += ":" + v
	}
	return arn
}
