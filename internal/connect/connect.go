// Package connect lets unmodified clients of the CodePipeline API reach the
// function of a deployment that answers it.
//
// Clients sign requests for the service "codepipeline", and a function URL takes
// those that are signed for "lambda". So requests come to this machine first
// and are signed again, with the credentials of whoever runs this. Nothing else
// passes: a request of the API has one form, and what a client sends besides,
// such as its own signature, stays here.
//
// Credentials are used to sign and for nothing else. They are written nowhere.
package connect

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/config"
)

// A Target is where requests go.
type Target struct {
	URL    string // of the function
	Region string // "": the one in the host of URL

	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Credentials returns those of a profile, "" for the one that the AWS CLI would
// use: of the environment, a file, a single sign-on or a machine's role. They
// are looked for when the first request comes, and renewed by themselves.
func Credentials(ctx context.Context, profile string) (aws.CredentialsProvider, error) {
	c, err := config.LoadDefaultConfig(ctx, config.WithSharedConfigProfile(profile))
	if err != nil {
		return nil, fmt.Errorf("credentials of AWS: %w", err)
	}
	return c.Credentials, nil
}

// host is how AWS calls a function URL.
var host = regexp.MustCompile(`^[a-z0-9]+\.lambda-url\.([a-z0-9-]+)\.on\.aws$`)

// loopback are the hosts that a URL without TLS may have: nobody is on the way.
var loopback = regexp.MustCompile(`^(127\.0\.0\.1|::1|localhost)$`)

// New returns the handler that passes requests on to t, signed with c.
func New(t Target, c aws.CredentialsProvider) (http.Handler, error) {
	u, err := url.Parse(t.URL)
	if u == nil {
		u = &url.URL{}
	}
	switch {
	case c == nil:
		return nil, errors.New("connect.New: credentials are required")
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Path != "" && u.Path != "/":
		return nil, fmt.Errorf("%q is not the URL of a function, such as https://abc.lambda-url.eu-west-1.on.aws/", u.Redacted())
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback.MatchString(u.Hostname())):
		return nil, fmt.Errorf("%s has to begin with https://: requests would be read and changed on their way", u)
	}
	if m := host.FindStringSubmatch(u.Host); t.Region == "" && m != nil {
		t.Region = m[1]
	}
	if t.Region == "" {
		return nil, fmt.Errorf("%s does not tell its Region, so it has to be named", u)
	}
	return &proxy{
		url: u.Scheme + "://" + u.Host + "/", region: t.Region, credentials: c, signer: v4.NewSigner(),
		client: &http.Client{
			Transport:     t.Transport,
			Timeout:       time.Minute,                                                                   // the function ends before that
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a signature is for one host
		},
	}, nil
}

type proxy struct {
	url, region string
	credentials aws.CredentialsProvider
	signer      *v4.Signer
	client      *http.Client
}

// Limits in bytes: of a request of the API, and of what a function can answer.
const (
	maxRequest = 5 << 20
	maxAnswer  = 6 << 20
)

// target is the header that names the operation.
const target = "X-Amz-Target"

var operation = regexp.MustCompile(`^CodePipeline_20150709\.[A-Za-z]+$`)

// ServeHTTP implements http.Handler.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.URL.RawQuery != "":
		refuse(w, http.StatusNotFound, "UnknownPathException", "only the CodePipeline API passes, which is POST /")
	case !operation.MatchString(r.Header.Get(target)):
		refuse(w, http.StatusBadRequest, "UnknownOperationException", "the header "+target+" names no operation of CodePipeline")
	case media != contentType:
		refuse(w, http.StatusUnsupportedMediaType, "UnsupportedMediaTypeException", "the header Content-Type should be "+contentType)
	default:
		p.pass(w, r)
	}
}

// pass sends a request on and returns its answer.
func (p *proxy) pass(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLargeException", fmt.Sprintf("the request broke off or is larger than %d bytes", maxRequest))
		return
	}
	answer, err := p.send(r.Context(), r.Header.Get(target), body)
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
		return
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", "the answer of the function broke off")
		return
	}
	if media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); media != contentType {
		unanswered(w, answer.StatusCode, text)
		return
	}
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("x-amzn-RequestId", answer.Header.Get("x-amzn-RequestId"))
	w.WriteHeader(answer.StatusCode)
	w.Write(text) // an error here means that the client left
}

// send signs a request for Lambda and sends it.
func (p *proxy) send(ctx context.Context, operation string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	r.Header.Set("Content-Type", contentType)
	r.Header.Set(target, operation)
	r.Header.Set("X-Amz-Content-Sha256", digest)
	c, err := p.credentials.Retrieve(ctx)
	if err != nil {
		return nil, fmt.Errorf("no credentials of AWS were found: %w", err)
	}
	if err := p.signer.SignHTTP(ctx, c, r, digest, "lambda", p.region, time.Now()); err != nil {
		return nil, fmt.Errorf("sign the request: %w", err)
	}
	answer, err := p.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("reach the function: %w", err)
	}
	return answer, nil
}

// unanswered tells of an answer that is not of our function but of Lambda.
func unanswered(w http.ResponseWriter, status int, text []byte) {
	var said struct{ Message string }
	json.Unmarshal(text, &said) // what is no JSON says nothing
	switch {
	case status == http.StatusForbidden:
		refuse(w, status, "AccessDeniedException", fmt.Sprintf("Lambda refused the request (%s). Whoever signs needs lambda:InvokeFunctionUrl and lambda:InvokeFunction on the function of the API, and a clock that is right", said.Message))
	case status == http.StatusTooManyRequests:
		refuse(w, status, "ThrottlingException", "Lambda is busy: "+said.Message)
	default:
		refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", fmt.Sprintf("the function did not answer: status %d, %q", status, said.Message))
	}
}

// contentType is what requests and answers are made of.
const contentType = "application/x-amz-json-1.1"

// refuse answers with an error as the API writes it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	body, err := json.Marshal(map[string]string{"__type": code, "message": message})
	if err != nil {
		panic(err) // strings always encode
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	w.Write(body) // an error here means that the client left
}
