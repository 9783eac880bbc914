package standin

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

var signedHeaders = regexp.MustCompile(`SignedHeaders=([^, ]+)`)

// A refusal is why a request is not let in, in the words of the service.
type refusal string

func (r refusal) Error() string { return string(r) }

// verify checks that a request to a function URL is signed for Lambda, by
// somebody the stand-in knows, and returns what the function is told of them.
// It signs the request again and compares.
func (s *Standin) verify(r *http.Request, host string, body []byte) (map[string]any, error) {
	key, region, service := scope(r)
	if key == "" {
		return nil, refusal("Forbidden")
	}
	if service != "lambda" || region != Region {
		return nil, refusal("Credential should be scoped to a valid region and to correct service: 'lambda'.")
	}
	secret, caller := secretKey, map[string]any{
		"accountId": Account, "accessKey": key, "userId": key, "callerId": key,
		"userArn": "arn:aws:iam::" + Account + ":user/" + strings.TrimPrefix(key, keyPrefix),
	}
	if t, ok := s.calls.assumed(key); ok {
		secret = t.secret
		caller["userArn"] = "arn:aws:sts::" + Account + ":assumed-role/" + t.role + "/" + t.session
	} else if !strings.HasPrefix(key, keyPrefix) {
		return nil, refusal("The security token included in the request is invalid.")
	}
	want, err := signAgain(r, host, body, aws.Credentials{AccessKeyID: key, SecretAccessKey: secret})
	if err != nil {
		return nil, err
	}
	if got := r.Header.Get("Authorization"); got[strings.LastIndex(got, "="):] != want[strings.LastIndex(want, "="):] {
		return nil, refusal("The request signature we calculated does not match the signature you provided.")
	}
	return caller, nil
}

// signAgain returns the header that the one who has these credentials puts on
// such a request.
func signAgain(r *http.Request, host string, body []byte, c aws.Credentials) (string, error) {
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return "", refusal("Authorization header requires existence of a 'X-Amz-Date' header.")
	}
	copied := r.Clone(r.Context())
	copied.Host, copied.URL.Host, copied.URL.Scheme = host, host, "https"
	copied.Header = http.Header{}
	m := signedHeaders.FindStringSubmatch(r.Header.Get("Authorization"))
	if m == nil {
		return "", refusal("Authorization header requires 'SignedHeaders' parameter.")
	}
	copied.ContentLength = 0
	for _, name := range strings.Split(m[1], ";") {
		switch name {
		case "host", "x-amz-date":
		case "content-length":
			copied.ContentLength = int64(len(body))
		default:
			copied.Header[http.CanonicalHeaderKey(name)] = r.Header.Values(name)
		}
	}
	c.SessionToken = copied.Header.Get("X-Amz-Security-Token")
	sum := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), c, copied, hex.EncodeToString(sum[:]), "lambda", Region, at); err != nil {
		return "", err
	}
	return copied.Header.Get("Authorization"), nil
}
