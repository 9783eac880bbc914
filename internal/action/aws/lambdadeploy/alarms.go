package lambdadeploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/fault"
)

// Watched returns the port Alarms over CloudWatch, which config gives the
// configuration for. It is one call of one operation, for which no client of
// the whole service is linked.
func Watched(config credentials.Client[aws.Config]) func(context.Context, action.Job, []string) ([]string, error) {
	return func(ctx context.Context, job action.Job, names []string) ([]string, error) {
		if len(names) == 0 {
			return nil, nil
		}
		c, err := config(ctx, job)
		if err != nil {
			return nil, fault.Of("use CloudWatch", err)
		}
		states, err := describe(ctx, c, names)
		if err != nil {
			return nil, fault.Of("read the alarms "+strings.Join(names, ", "), err)
		}
		var on []string
		for _, name := range names {
			state, ok := states[name]
			if !ok {
				return nil, fault.Refuse(action.ConfigurationError, "There is no alarm %s in %s", name, job.Region)
			}
			if state == "ALARM" {
				on = append(on, name)
			}
		}
		return on, nil
	}
}

// maxAnswer is how many bytes of an answer are read. Ten alarms have fewer.
const maxAnswer = 4 << 20

// An alarms is what is read of the answer, which has two kinds of alarms.
type alarms struct {
	Metric    []alarm `xml:"DescribeAlarmsResult>MetricAlarms>member"`
	Composite []alarm `xml:"DescribeAlarmsResult>CompositeAlarms>member"`
}

type alarm struct {
	Name  string `xml:"AlarmName"`
	State string `xml:"StateValue"`
}

// describe returns the states of alarms by name (CloudWatch API, DescribeAlarms,
// in the form of queries).
func describe(ctx context.Context, c aws.Config, names []string) (map[string]string, error) {
	form := url.Values{"Action": {"DescribeAlarms"}, "Version": {"2010-08-01"}, "AlarmTypes.member.1": {"MetricAlarm"}, "AlarmTypes.member.2": {"CompositeAlarm"}}
	for i, name := range names {
		form.Set(fmt.Sprintf("AlarmNames.member.%d", i+1), name)
	}
	r, err := request(ctx, c, []byte(form.Encode()))
	if err != nil {
		return nil, err
	}
	client := c.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, refusal(answer.StatusCode, text)
	}
	var all alarms
	if err := xml.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("the answer of CloudWatch: %w", err)
	}
	states := map[string]string{}
	for _, a := range slices.Concat(all.Metric, all.Composite) {
		states[a.Name] = a.State
	}
	return states, nil
}

// request returns a signed request with a form.
func request(ctx context.Context, c aws.Config, form []byte) (*http.Request, error) {
	domain := "amazonaws.com"
	if strings.HasPrefix(c.Region, "cn-") {
		domain += ".cn"
	}
	endpoint := fmt.Sprintf("https://monitoring.%s.%s/", c.Region, domain)
	if c.BaseEndpoint != nil {
		endpoint = *c.BaseEndpoint
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, endpoint, bytes.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	who, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(form)
	return r, v4.NewSigner().SignHTTP(ctx, who, r, hex.EncodeToString(sum[:]), "monitoring", c.Region, time.Now())
}

// refusal returns what CloudWatch says instead of an answer.
func refusal(status int, text []byte) error {
	var said struct {
		Code    string `xml:"Error>Code"`
		Message string `xml:"Error>Message"`
	}
	if err := xml.Unmarshal(text, &said); err != nil || said.Code == "" {
		return fmt.Errorf("CloudWatch answers with status %d", status)
	}
	whose := smithy.FaultClient
	if status >= 500 {
		whose = smithy.FaultServer
	}
	return &smithy.GenericAPIError{Code: said.Code, Message: said.Message, Fault: whose}
}
