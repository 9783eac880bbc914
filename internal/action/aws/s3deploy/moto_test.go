package s3deploy_test

import (
	"io"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/s3deploy"
	"github.com/sluice-ci/sluice/internal/action/whole/wholetest"
	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

// TestMoto deploys with the SDK's own client, over HTTP.
func TestMoto(t *testing.T) {
	client := s3.NewFromConfig(awstest.Config(t), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("site"), CreateBucketConfiguration: &types.CreateBucketConfiguration{LocationConstraint: awstest.Region}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld()
	p := s3deploy.New(credentials.Fixed[s3deploy.S3](client), &w.S3, s3deploy.Options{})
	j := w.job(t, pack(t, append(site, entry{"empty", "", 0o644})...), "ObjectKey", "p/", "CacheControl", "max-age=60", "KMSEncryptionKeyARN", "arn:aws:kms:eu-west-1:123456789012:key/k")
	if res := wholetest.Start(t, p, j); res.Status != pipeline.Succeeded {
		t.Fatalf("%+v, %+v", res, res.Error)
	}
	for key, want := range map[string]string{"p//index.html": "text/html <p>", "p//js/app.js": "application/x-javascript 1;", "p//link.txt": "text/plain <p>", "p//empty": "application/octet-stream "} {
		out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("site"), Key: &key})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		content, err := io.ReadAll(out.Body)
		if got := aws.ToString(out.ContentType) + " " + string(content); err != nil || got != want || aws.ToString(out.CacheControl) != "max-age=60" || out.ServerSideEncryption != types.ServerSideEncryptionAwsKms {
			t.Errorf("%s: %q, %v, %v, %v; want %q", key, got, aws.ToString(out.CacheControl), out.ServerSideEncryption, err, want)
		}
	}
	j = w.job(t, []byte("x"), "Extract", "false", "ObjectKey", "a b/ü.txt")
	j.ID = "j2"
	if res := wholetest.Start(t, p, j); res.Status != pipeline.Succeeded {
		t.Errorf("%+v, %+v", res, res.Error)
	}
	j = w.job(t, pack(t, site...), "BucketName", "none")
	j.ID = "j3"
	if res := wholetest.Start(t, p, j); res.Error == nil || res.Error.Code != action.ConfigurationError {
		t.Errorf("%+v, %+v; want %s", res, res.Error, action.ConfigurationError)
	}
}
