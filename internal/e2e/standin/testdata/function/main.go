// Command function is the code of the example that the stand-in is tested with.
// It notes what it was called with in a bucket and does what it is asked to.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// version is set when it is built.
var version = "unknown"

// An event is any of those that the example gets.
type event struct {
	RequestType        string // of a custom resource
	ResponseURL        string
	ResourceProperties map[string]any

	Records        []record // of a stream or queue
	RequestContext *struct{ HTTP struct{ Method, Path string } }

	Do, Token, Role, Name string // of the test itself
}

type record struct {
	EventSource, MessageID, Body string
	Attributes                   struct{ ApproximateReceiveCount string }
	DynamoDB                     struct {
		SequenceNumber string
		Keys           map[string]struct{ S string }
	}
}

var (
	mu    sync.Mutex
	tries = map[string]int{} // of a record, by its key
)

func main() {
	cfg, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	lambda.Start(func(ctx context.Context, raw json.RawMessage) (any, error) { return handle(ctx, cfg, raw) })
}

func handle(ctx context.Context, cfg aws.Config, raw json.RawMessage) (any, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	fmt.Println("called with", string(raw))
	switch {
	case e.RequestType != "":
		return nil, provision(e)
	case len(e.Records) > 0:
		return records(ctx, cfg, e.Records)
	case e.RequestContext != nil:
		return map[string]any{"statusCode": 201, "headers": map[string]string{"Content-Type": "text/plain"}, "body": string(raw)}, nil
	}
	switch e.Do {
	case "":
		return nil, note(ctx, cfg, "other", raw)
	case "version":
		return map[string]string{"version": version}, nil
	case "fail":
		return nil, errors.New("as asked")
	case "exit":
		os.Exit(3)
	case "wait":
		time.Sleep(time.Hour)
	case "token": // kept for the test to answer
		return nil, note(ctx, cfg, "token-"+e.Name, []byte(e.Token))
	case "answer":
		return nil, answer(ctx, cfg, e)
	case "assume":
		cfg.Credentials = stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), e.Role)
		return nil, note(ctx, cfg, "assumed", []byte("x"))
	}
	return nil, nil
}

// answer ends the task of a machine, noting it first in one transaction.
func answer(ctx context.Context, cfg aws.Config, e event) error {
	put := func(pk string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{
			TableName: aws.String(os.Getenv("TABLE")),
			Item:      map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: "s"}, "data": &types.AttributeValueMemberB{Value: []byte("s")}},
		}}
	}
	_, err := dynamodb.NewFromConfig(cfg).TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{put("IN#" + e.Name), put("ASIDE#" + e.Name)},
	})
	if err != nil {
		return err
	}
	_, err = sfn.NewFromConfig(cfg).SendTaskSuccess(ctx, &sfn.SendTaskSuccessInput{TaskToken: &e.Token, Output: aws.String(`{"by":"` + version + `"}`)})
	return err
}

// records notes each record and fails those named "twice" the first time.
func records(ctx context.Context, cfg aws.Config, all []record) (any, error) {
	failed := []map[string]string{}
	for _, r := range all {
		id, name := r.MessageID, r.Body
		if r.EventSource == "aws:dynamodb" {
			id, name = r.DynamoDB.SequenceNumber, r.DynamoDB.Keys["pk"].S
		}
		mu.Lock()
		tries[id]++
		again := strings.Contains(name, "twice") && tries[id] == 1 && r.Attributes.ApproximateReceiveCount != "2"
		mu.Unlock()
		if again {
			failed = append(failed, map[string]string{"itemIdentifier": id})
			continue
		}
		if err := note(ctx, cfg, "record-"+name, []byte(id)); err != nil {
			return nil, err
		}
	}
	return map[string]any{"batchItemFailures": failed}, nil
}

func note(ctx context.Context, cfg aws.Config, name string, body []byte) error {
	_, err := s3.NewFromConfig(cfg).PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(os.Getenv("BUCKET")), Key: aws.String("notes/" + name), Body: bytes.NewReader(body)})
	return err
}

// provision answers CloudFormation. A resource with Fail fails, with what that
// says as its reason.
func provision(e event) error {
	said := map[string]any{"Status": "SUCCESS", "PhysicalResourceId": "greeting", "Data": map[string]string{"Greeting": fmt.Sprint(e.RequestType, " ", e.ResourceProperties["Name"])}}
	if why, _ := e.ResourceProperties["Fail"].(string); why != "" && e.RequestType != "Delete" {
		said = map[string]any{"Status": "FAILED", "PhysicalResourceId": "greeting", "Reason": why}
	}
	body, err := json.Marshal(said)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(http.MethodPut, e.ResponseURL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
