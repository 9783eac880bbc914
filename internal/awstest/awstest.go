// Package awstest lends tests an AWS on loopback: one moto server for each test
// binary, started by the first test that asks and stopped at the end.
//
// Moto is no isolated database: two requests at once see each other half done.
// So all requests pass through a proxy that lets one through at a time, and
// what is proved against moto is how requests and answers look, never what
// happens when they meet. A test binary uses it so:
//
//	func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }
//
//	client := dynamodb.NewFromConfig(awstest.Config(t))
//
// A test that asks where moto is not installed is skipped and says so, unless
// SLUICE_NEED_MOTO is set: then it fails.
package awstest

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Region and Account are where moto believes itself to be.
const (
	Region  = "eu-central-1"
	Account = "123456789012"
)

// start starts the one server of this process. It is a variable of the package
// because a server for each test would take a second each.
var start = sync.OnceValues(startMoto)

// Main runs the tests, stops the server and returns the exit code.
func Main(m *testing.M) int {
	code := m.Run()
	if started != nil {
		started.stop()
	}
	return code
}

// URL returns the address of the server, or skips the test.
func URL(t testing.TB) string {
	t.Helper()
	s, err := start()
	if err != nil && os.Getenv("SLUICE_NEED_MOTO") != "" {
		t.Fatal(err)
	}
	if err != nil {
		t.Skip(err)
	}
	return s.url
}

// Config returns a configuration whose clients talk to the server, with
// credentials that are none.
func Config(t testing.TB) aws.Config {
	t.Helper()
	return aws.Config{
		Region:       Region,
		BaseEndpoint: aws.String(URL(t)),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
}

// oneAtATime returns a proxy to target. It answers a request whole before the
// next one goes out.
func oneAtATime(target *url.URL) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		// A client that gave up is part of some tests, and no news.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	var one sync.Mutex
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		one.Lock()
		defer one.Unlock()
		proxy.ServeHTTP(w, r)
	})
}
