package faulttest

import (
	"context"
	"net"
	"net/http"
	"os/exec"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Moto starts a moto server on loopback that ends with the test, and returns a
// configuration whose clients call it. Without moto_server the test is skipped.
func Moto(t *testing.T) aws.Config {
	t.Helper()
	program, err := exec.LookPath("moto_server")
	if err != nil {
		t.Skipf("the calls of real clients are not tested: %v", err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()
	server := exec.Command(program, "-H", host, "-p", port)
	if err := server.Start(); err != nil {
		t.Skipf("the calls of real clients are not tested: %v", err)
	}
	t.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
	})
	endpoint := "http://" + net.JoinHostPort(host, port)
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		if answer, err := http.Get(endpoint + "/moto-api/"); err == nil {
			answer.Body.Close()
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("moto_server does not answer at %s", endpoint)
		}
	}
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &endpoint,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}
}
