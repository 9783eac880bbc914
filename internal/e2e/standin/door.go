package standin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// doors are the function URLs: each answers on a port of its own, so that a
// browser sees a page's paths as they are.
type doors struct {
	s    *Standin
	mu   sync.Mutex
	open map[string]*httptest.Server // by the id in the URL
}

func newDoors(s *Standin) *doors { return &doors{s: s, open: map[string]*httptest.Server{}} }

// Local returns the address on loopback of a link to a function URL, as it
// stands in outputs and mails: https://<id>.lambda-url.<region>.on.aws/...
func (s *Standin) Local(ctx context.Context, link string) (string, error) {
	u, err := url.Parse(link)
	if err != nil {
		return "", err
	}
	door, err := s.doors.at(ctx, u.Hostname())
	if err != nil {
		return "", err
	}
	u.Scheme, u.Host = "http", door.Listener.Addr().String()
	return u.String(), nil
}

// HTTP returns a client that finds function URLs, and everything else on
// loopback.
func (s *Standin) HTTP() *http.Client { return &http.Client{Transport: opener{s}} }

type opener struct{ s *Standin }

func (o opener) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Hostname(), ".on.aws") {
		return http.DefaultTransport.RoundTrip(r)
	}
	door, err := o.s.doors.at(r.Context(), r.URL.Hostname())
	if err != nil {
		return nil, err
	}
	local := r.Clone(r.Context())
	local.Host = r.URL.Host // signed for
	local.URL.Scheme, local.URL.Host = "http", door.Listener.Addr().String()
	return http.DefaultTransport.RoundTrip(local)
}

// at returns the server of a function URL, by its host name.
func (d *doors) at(ctx context.Context, host string) (*httptest.Server, error) {
	id, _, _ := strings.Cut(host, ".")
	d.mu.Lock()
	defer d.mu.Unlock()
	if server := d.open[id]; server != nil {
		return server, nil
	}
	client := lambda.NewFromConfig(d.s.direct())
	for pages := lambda.NewListFunctionsPaginator(client, &lambda.ListFunctionsInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, f := range page.Functions {
			config, err := client.GetFunctionUrlConfig(ctx, &lambda.GetFunctionUrlConfigInput{FunctionName: f.FunctionName})
			if err != nil || !strings.Contains(aws.ToString(config.FunctionUrl), "//"+id+".") {
				continue // most functions have no URL
			}
			server := httptest.NewServer(&door{s: d.s, function: *f.FunctionName, host: host})
			d.open[id] = server
			return server, nil
		}
	}
	return nil, fmt.Errorf("no function has the URL https://%s/", host)
}

func (d *doors) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, server := range d.open {
		server.CloseClientConnections()
		server.Close()
	}
}

// A door turns requests to a URL into events for its function, and answers of
// the function into answers.
// https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html
type door struct {
	s              *Standin
	function, host string
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	config, err := lambda.NewFromConfig(d.s.direct()).GetFunctionUrlConfig(r.Context(), &lambda.GetFunctionUrlConfigInput{FunctionName: &d.function})
	if err != nil {
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	var caller map[string]any
	if config.AuthType == types.FunctionUrlAuthTypeAwsIam {
		who, err := d.s.verify(r, d.host, body)
		if err != nil {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusForbidden)
			json.NewEncoder(w).Encode(map[string]string{"Message": err.Error()})
			return
		}
		caller = who
	}
	event, err := json.Marshal(d.event(r, body, caller))
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	f, err := d.s.host.lookup(r.Context(), d.function)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	o := d.s.host.run(f, event, "")
	if o.failed {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadGateway)
		io.WriteString(w, "Internal Server Error")
		return
	}
	reply(w, o.body)
}

// event is the payload of a request in format 2.0.
func (d *door) event(r *http.Request, body []byte, caller map[string]any) map[string]any {
	id, _, _ := strings.Cut(d.host, ".")
	now := time.Now().UTC()
	headers := map[string]string{"host": d.host, "x-forwarded-proto": "https", "x-forwarded-port": "443"}
	for name, values := range r.Header {
		if name != "Cookie" {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	event := map[string]any{
		"version":        "2.0",
		"routeKey":       "$default",
		"rawPath":        r.URL.EscapedPath(),
		"rawQueryString": r.URL.RawQuery,
		"headers":        headers,
		"requestContext": d.context(r, id, now, caller),
	}
	if query := r.URL.Query(); len(query) > 0 {
		parameters := map[string]string{}
		for name, values := range query {
			parameters[name] = strings.Join(values, ",")
		}
		event["queryStringParameters"] = parameters
	}
	if cookies := r.Header.Get("Cookie"); cookies != "" {
		event["cookies"] = strings.Split(cookies, "; ")
	}
	if len(body) > 0 {
		event["body"], event["isBase64Encoded"] = asText(r.Header.Get("Content-Type"), body)
	} else {
		event["isBase64Encoded"] = false
	}
	return event
}

func (d *door) context(r *http.Request, id string, now time.Time, caller map[string]any) map[string]any {
	account := "anonymous"
	if caller != nil {
		account = Account
	}
	context := map[string]any{
		"accountId":    account,
		"apiId":        id,
		"domainName":   d.host,
		"domainPrefix": id,
		"http": map[string]string{
			"method": r.Method, "path": r.URL.Path, "protocol": "HTTP/1.1",
			"sourceIp": "127.0.0.1", "userAgent": r.UserAgent(),
		},
		"requestId": fmt.Sprintf("00000000-0000-4000-8000-%012x", d.s.host.ids.Add(1)),
		"routeKey":  "$default",
		"stage":     "$default",
		"time":      now.Format("02/Jan/2006:15:04:05 -0700"),
		"timeEpoch": now.UnixMilli(),
	}
	if caller != nil {
		context["authorizer"] = map[string]any{"iam": caller}
	}
	return context
}

// asText returns a body as Lambda hands it on: text as it is, all else in
// base64.
func asText(contentType string, body []byte) (string, bool) {
	kind, _, _ := strings.Cut(contentType, ";")
	for _, text := range []string{"text/", "application/json", "application/xml", "application/javascript"} {
		if strings.HasPrefix(kind, text) {
			return string(body), false
		}
	}
	return base64.StdEncoding.EncodeToString(body), true
}

// reply answers as the function says; what is no description of an answer is
// the answer.
func reply(w http.ResponseWriter, body []byte) {
	var a struct {
		StatusCode      int
		Headers         map[string]string
		Cookies         []string
		Body            string
		IsBase64Encoded bool
	}
	if err := json.Unmarshal(body, &a); err != nil || a.StatusCode == 0 {
		w.Header().Set("Content-Type", "application/json")
		w.Write(body)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	for name, value := range a.Headers {
		w.Header().Set(name, value)
	}
	for _, cookie := range a.Cookies {
		w.Header().Add("Set-Cookie", cookie)
	}
	out := []byte(a.Body)
	if a.IsBase64Encoded {
		out, _ = base64.StdEncoding.DecodeString(a.Body)
	}
	w.WriteHeader(a.StatusCode)
	w.Write(out)
}
