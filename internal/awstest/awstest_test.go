package awstest_test

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/sluice-ci/sluice/internal/awstest"
)

func TestMain(m *testing.M) { os.Exit(awstest.Main(m)) }

func TestResources(t *testing.T) {
	table, bucket := awstest.Table(t), awstest.Bucket(t, "")
	if table == bucket {
		t.Error("two names are equal")
	}
	client := dynamodb.NewFromConfig(awstest.Config(t))
	ttl, err := client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil || aws.ToString(ttl.TimeToLiveDescription.AttributeName) != "ttl" {
		t.Errorf("expiry of the table: %+v, %v; want attribute ttl", ttl, err)
	}
	answer, err := http.Get(awstest.URL(t) + "/" + bucket)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("the bucket answers %s", answer.Status)
	}
}

// Moto alone lets two of eight conditional writes win now and then.
func TestOneAtATime(t *testing.T) {
	table := awstest.Table(t)
	client := dynamodb.NewFromConfig(awstest.Config(t))
	for round := range 20 {
		var wins, wg = make(chan int, 8), sync.WaitGroup{}
		for i := range 8 {
			wg.Go(func() {
				_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{
					TableName:           &table,
					Item:                map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: fmt.Sprint(round)}, "sk": &types.AttributeValueMemberS{Value: "s"}},
					ConditionExpression: aws.String("attribute_not_exists(pk)"),
				})
				if err == nil {
					wins <- i
				}
			})
		}
		wg.Wait()
		if len(wins) != 1 {
			t.Fatalf("round %d: %d writes won; want 1", round, len(wins))
		}
	}
}
