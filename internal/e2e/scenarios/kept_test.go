package scenarios_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/orchestrator"
)

// kept looks for the secret where it must not be: it is in the mail and nowhere
// else. What has to be there is looked for too, so that an empty place proves
// nothing; only functions that have nothing to complain of log nothing.
func (l letter) kept() {
	l.t.Helper()
	sum := sha256.Sum256([]byte(l.secret))
	places := map[string]string{"the table": l.table()}
	for _, function := range []string{"hook", "outbox", "approval", "stage", "api"} {
		places["the log of "+function] = l.aws.Logs("sluice-" + function)
	}
	for _, e := range l.aws.Events("sluice") {
		places["the bus"] += string(e.Detail)
	}
	for where, text := range places {
		if strings.Contains(text, l.secret) || strings.Contains(text, l.secret[:16]) || strings.Contains(text, l.secret[48:]) {
			l.t.Errorf("%s has the secret", where)
		}
	}
	for where, want := range map[string]string{
		"the table": "LINK#" + hex.EncodeToString(sum[:]), "the log of hook": orchestrator.LinkName(l.secret), "the bus": l.execution,
	} {
		if !strings.Contains(places[where], want) {
			l.t.Errorf("%s has no %s; want it there, or this test looks at nothing", where, want)
		}
	}
	if !strings.Contains(places["the table"], comment) {
		l.t.Error("the table has no answer; want it there, or this test reads no values")
	}
}

// table returns all that is in the table.
func (c *cloud) table() string {
	c.t.Helper()
	var all strings.Builder
	name := c.outputs["sluice-state"]["TableName"]
	pages := dynamodb.NewScanPaginator(dynamodb.NewFromConfig(c.aws.Config()), &dynamodb.ScanInput{TableName: aws.String(name)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(c.t.Context())
		if err != nil {
			c.t.Fatalf("scan %q: %v", name, err)
		}
		for _, item := range page.Items {
			for key, value := range item {
				switch v := value.(type) {
				case *types.AttributeValueMemberS:
					fmt.Fprintf(&all, "%s=%s\n", key, v.Value)
				case *types.AttributeValueMemberB:
					fmt.Fprintf(&all, "%s=%s\n", key, v.Value)
				case *types.AttributeValueMemberN:
				default:
					c.t.Fatalf("the table has a %T, which this test does not read", value)
				}
			}
		}
	}
	return all.String()
}
