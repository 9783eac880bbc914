package standin_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// sign signs a request as the person who deploys, for a service; for none it
// leaves it as it is.
func sign(t *testing.T, r *http.Request, service, secret string) {
	t.Helper()
	if service == "" {
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	sum := sha256.Sum256(body)
	c := aws.Credentials{AccessKeyID: "standin.person", SecretAccessKey: secret}
	if err := v4.NewSigner().SignHTTP(t.Context(), c, r, hex.EncodeToString(sum[:]), service, standin.Region, time.Now()); err != nil {
		t.Fatal(err)
	}
}
