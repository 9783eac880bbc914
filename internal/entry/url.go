package entry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"net"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// A request is what a function URL sends (payload format 2.0). Lambda may add
// members, so unknown ones are fine.
type urlRequest struct {
	RawPath  string            `json:"rawPath"`
	RawQuery string            `json:"rawQueryString"`
	Cookies  []string          `json:"cookies"`
	Headers  map[string]string `json:"headers"` // those that came several times are joined by commas
	Body     string            `json:"body"`
	Base64   bool              `json:"isBase64Encoded"`
	Context  struct {
		Domain     string `json:"domainName"`
		Authorizer struct {
			IAM struct {
				UserARN string `json:"userArn"`
			} `json:"iam"`
		} `json:"authorizer"`
		HTTP struct {
			Method   string `json:"method"`
			SourceIP string `json:"sourceIp"`
		} `json:"http"`
	} `json:"requestContext"`
}

// A urlResponse is the answer to it.
type urlResponse struct {
	StatusCode int               `json:"statusCode"`
	Headers    map[string]string `json:"headers,omitempty"`
	Cookies    []string          `json:"cookies,omitempty"`
	Body       string            `json:"body,omitempty"`
	Base64     bool              `json:"isBase64Encoded"`
}

// callerKey is the key of the caller's ARN in the context of a request.
type callerKey struct{}

// Caller returns the ARN of who signed the request with ctx, as IAM found out;
// "" if the function's URL asks nobody to sign.
func Caller(ctx context.Context) string {
	arn, _ := ctx.Value(callerKey{}).(string)
	return arn
}

// URL returns the handler of a function URL whose requests h answers. They look
// as they do on a server of one's own, but for two things: a header that came
// several times is one, with commas, and a body is there as a whole.
func URL(h http.Handler) Handler {
	return func(ctx context.Context, payload []byte) (any, error) {
		in, err := DecodeOpen[urlRequest]("request of a function URL", payload)
		if err != nil {
			return nil, err
		}
		r, err := in.request(ctx)
		if err != nil {
			return nil, err
		}
		w := recorder{header: http.Header{}}
		h.ServeHTTP(&w, r)
		return w.response(r.Method == http.MethodHead), nil
	}
}

// request returns in as a server would see it.
func (in urlRequest) request(ctx context.Context) (*http.Request, error) {
	body := []byte(in.Body)
	if in.Base64 {
		var err error
		if body, err = base64.StdEncoding.DecodeString(in.Body); err != nil {
			return nil, Refusef("request of a function URL: the body is not base64")
		}
	}
	target := cmp.Or(in.RawPath, "/")
	if in.RawQuery != "" {
		target += "?" + in.RawQuery
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, Refusef("request of a function URL: the path is not one")
	}
	ctx = context.WithValue(ctx, callerKey{}, in.Context.Authorizer.IAM.UserARN)
	r, err := http.NewRequestWithContext(ctx, in.Context.HTTP.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, Refusef("request of a function URL: the method is not one")
	}
	r.URL, r.RequestURI, r.Host, r.RemoteAddr = u, target, in.Context.Domain, net.JoinHostPort(in.Context.HTTP.SourceIP, "0")
	for name, value := range in.Headers {
		r.Header.Set(name, value)
	}
	r.Header.Del("Host") // it is in r.Host
	if len(in.Cookies) > 0 {
		r.Header.Set("Cookie", strings.Join(in.Cookies, "; "))
	}
	return r, nil
}

// A recorder keeps an answer until it is whole.
type recorder struct {
	header http.Header // as the handler changes it
	status int         // 0: nothing was written yet
	sent   http.Header // as it was then
	body   bytes.Buffer
}

// Header implements http.ResponseWriter.
func (w *recorder) Header() http.Header { return w.header }

// WriteHeader implements http.ResponseWriter.
func (w *recorder) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status, w.sent = status, w.header.Clone()
	}
}

// Write implements http.ResponseWriter.
func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// response returns the answer as Lambda takes it. The one to HEAD has the
// headers of a body and no body.
func (w *recorder) response(head bool) urlResponse {
	w.WriteHeader(http.StatusOK)
	out := urlResponse{StatusCode: w.status, Headers: map[string]string{}, Cookies: w.sent.Values("Set-Cookie")}
	for name, values := range w.sent {
		if name != "Set-Cookie" {
			out.Headers[name] = strings.Join(values, ", ")
		}
	}
	body := w.body.Bytes()
	switch {
	case head:
	case utf8.Valid(body):
		out.Body = string(body)
	default:
		out.Body, out.Base64 = base64.StdEncoding.EncodeToString(body), true
	}
	return out
}
