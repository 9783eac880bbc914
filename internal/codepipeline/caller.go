package codepipeline

import (
	"net/http"
	"regexp"
	"sync"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// credential finds the access key id in a Signature Version 4 header.
var credential = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^AWS4-[A-Z0-9-]+ (?:.*[ ,])?Credential=([A-Za-z0-9_.@+=-]{1,128})/[^ ,]*`)
})

// caller returns the ARN of who sent a request: whom Options.Caller names, or
// who signed it. The signature is not checked then: there is no secret to check
// it with, and whoever reaches the loopback address acts as the user of this
// machine anyway. Taking the key id as a name lets people and programs be told
// apart in the history.
func (s *Server) caller(r *http.Request) (string, error) {
	if s.whois != nil {
		arn := s.whois(r)
		if arn == "" {
			return "", pipeline.Errorf(missingAuthentication, "nobody was found to have sent the request")
		}
		return arn, nil
	}
	name, authorization := s.user, r.Header.Get("Authorization")
	if authorization != "" {
		m := credential().FindStringSubmatch(authorization)
		if m == nil {
			return "", pipeline.Errorf(incompleteSignature, "the header Authorization is not an AWS4-HMAC-SHA256 signature with a Credential")
		}
		name = m[1]
	}
	if name == "" {
		return "", pipeline.Errorf(missingAuthentication, "the request has no credentials")
	}
	return "arn:aws:iam::" + s.read.Account + ":user/" + name, nil
}
