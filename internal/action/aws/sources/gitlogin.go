package sources

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// gitLogin returns the name and the password that AWS's git endpoints take
// from a client that has keys: a signature, version 4, of a request that is
// never made. Its method is GIT, its only header the host without port, and it
// has no payload, not even the digest of an empty one. The same is made for
// CodeCommit by its credential helper, whose service name it has.
func gitLogin(keys aws.Credentials, region, repository string, now time.Time) (name, password string) {
	u, err := url.Parse(repository)
	if err != nil { // it was made from parts that cannot fail
		panic(err)
	}
	at := now.UTC().Format("20060102T150405")
	scope := []string{at[:8], region, "codecommit", "aws4_request"}
	request := sha256.Sum256([]byte("GIT\n" + u.Path + "\n\nhost:" + u.Hostname() + "\n\nhost\n"))
	text := strings.Join([]string{"AWS4-HMAC-SHA256", at, strings.Join(scope, "/"), hex.EncodeToString(request[:])}, "\n")
	key := []byte("AWS4" + keys.SecretAccessKey)
	for _, part := range append(scope, text) {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(part))
		key = mac.Sum(nil)
	}
	name = keys.AccessKeyID
	if keys.SessionToken != "" {
		name += "%" + keys.SessionToken
	}
	return name, at + "Z" + hex.EncodeToString(key)
}
