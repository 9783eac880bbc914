package aws_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/awstest"
	"github.com/sluice-ci/sluice/internal/secret"
	adapter "github.com/sluice-ci/sluice/internal/secret/aws"
	"github.com/sluice-ci/sluice/internal/secret/secrettest"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

// arns is a client of moto that knows secrets by the ARNs of the contract;
// moto's own end at random.
type arns struct {
	*secretsmanager.Client
	real map[string]string
}

func (a arns) GetSecretValue(ctx context.Context, in *secretsmanager.GetSecretValueInput, o ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	own := *in
	if id, ok := a.real[*in.SecretId]; ok {
		own.SecretId = &id
	}
	return a.Client.GetSecretValue(ctx, &own, o...)
}

// filled returns the clients of a moto that holds what the contract wants.
func filled(t *testing.T) (arns, *ssm.Client) {
	t.Helper()
	a := arns{secretsmanager.NewFromConfig(awstest.Config(t)), map[string]string{}}
	for name, value := range secrettest.Secrets {
		out, err := a.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: &value})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			a.DeleteSecret(context.Background(), &secretsmanager.DeleteSecretInput{SecretId: out.ARN, ForceDeleteWithoutRecovery: aws.Bool(true)})
		})
		a.real["arn:aws:secretsmanager:eu-central-1:111122223333:secret:"+name+"-AbCdEf"] = *out.ARN
	}
	parameters := ssm.NewFromConfig(awstest.Config(t))
	for name, value := range secrettest.Parameters {
		_, err := parameters.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
	}
	return a, parameters
}

func open(t *testing.T, secrets adapter.Secrets, parameters adapter.Parameters) *adapter.Store {
	t.Helper()
	s, err := adapter.New(secrets, parameters)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestContract(t *testing.T) {
	secrettest.Run(t, func(t *testing.T) secret.Store {
		secrets, parameters := filled(t)
		return open(t, secrets, parameters)
	})
}

// A secret has versions; the one that was asked for is the one that comes.
func TestVersions(t *testing.T) {
	secrets, parameters := filled(t)
	s := open(t, secrets, parameters)
	list, err := secrets.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String("plain")})
	if err != nil {
		t.Fatal(err)
	}
	first := *list.Versions[0].VersionId
	if _, err := secrets.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("plain"), SecretString: aws.String("rotated")}); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"plain": "rotated", "plain::AWSPREVIOUS": "hunter2", "plain:::" + first: "hunter2"} {
		if got, err := s.Secret(t.Context(), ref); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", ref, got, err, want)
		}
	}
	none := "00000000-0000-4000-8000-000000000000"
	if _, err := s.Secret(t.Context(), "plain:::"+none); err == nil || !strings.Contains(err.Error(), none) {
		t.Errorf("version that is not there: %v; want an error that names it", err)
	}
}

// answer is both services, and answers everything alike.
type answer struct {
	text  *string
	bytes []byte
	err   error
}

func (a answer) GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error) {
	return &secretsmanager.GetSecretValueOutput{SecretString: a.text, SecretBinary: a.bytes}, a.err
}

func (a answer) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if !aws.ToBool(in.WithDecryption) {
		return nil, errors.New("asked for without decryption")
	}
	return &ssm.GetParameterOutput{Parameter: &types.Parameter{Value: a.text}}, a.err
}

// A key of a secret comes as it was written, and nothing that is wrong with a
// secret puts it into an error.
func TestKeys(t *testing.T) {
	tests := []struct {
		text string
		want string // "" means an error
	}{
		{`{"k":"v"}`, "v"},
		{`{"k":"a\"\u00e9\n"}`, "a\"é\n"},
		{`{"k":12345678901234567890}`, "12345678901234567890"},
		{`{"k":1.0}`, "1.0"},
		{`{"k":true}`, "true"},
		{`{"k":{"hidden":1}}`, `{"hidden":1}`},
		{`{"k":null}`, ""},
		{`{"K":"hidden"}`, ""},
		{`"hidden"`, ""},
		{`hidden`, ""},
		{`{"k":"hidden"`, ""},
		{`[{"k":"hidden"}]`, ""},
		{``, ""},
	}
	for _, tt := range tests {
		s := open(t, answer{text: &tt.text}, answer{})
		got, err := s.Secret(t.Context(), "name:k")
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.text, got, err, tt.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || !strings.Contains(err.Error(), "name")) {
			t.Errorf("error %q shows the secret, or does not name it", err)
		}
	}
}

func TestErrors(t *testing.T) {
	api := func(code string) error {
		return &smithy.OperationError{ServiceID: "X", Err: &smithy.GenericAPIError{Code: code, Message: "m"}}
	}
	for code, want := range map[string]string{
		"ResourceNotFoundException": "not in Secrets Manager",
		"ParameterNotFound":         "not in Parameter Store",
		"ParameterVersionNotFound":  "not in Parameter Store in that version",
		"DecryptionFailure":         "KMS key",
		"AccessDeniedException":     "AccessDeniedException",
	} {
		s := open(t, answer{err: api(code)}, answer{err: api(code)})
		if _, err := s.Secret(t.Context(), "name:key:STAGE"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "secret name, version stage STAGE") {
			t.Errorf("%s: %v; want %s and what was sought", code, err, want)
		}
		if _, err := s.Parameter(t.Context(), "/app/name"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "parameter /app/name") {
			t.Errorf("%s: %v; want %s and what was sought", code, err, want)
		}
	}
	s := open(t, answer{bytes: []byte("hidden")}, answer{})
	if got, err := s.Secret(t.Context(), "name"); err == nil || got != "" || strings.Contains(err.Error(), "hidden") {
		t.Errorf("binary secret: %q, %v; want an error", got, err)
	}
	if got, err := s.Parameter(t.Context(), "name"); err == nil {
		t.Errorf("parameter without a value: %q; want an error", got)
	}
	if _, err := open(t, answer{err: context.Canceled}, answer{}).Secret(t.Context(), "name"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := adapter.New(nil, answer{}); err == nil {
		t.Error("New without a client succeeded")
	}
}
