package standin

import (
	"context"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// keyring knows which key of KMS a resource is encrypted with. Services use
// that key in the name of their caller, who needs permissions for it.
//
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html
// https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
type keyring struct {
	ask   aws.Config
	mu    sync.Mutex
	known map[string]string // resource to ARN of its key; "" for those that need no permission
}

const decrypt, generate = "kms:Decrypt", "kms:GenerateDataKey"

// used says which actions of KMS come with an action on something encrypted.
var used = map[string][]string{
	"dynamodb:GetItem":              {decrypt},
	"dynamodb:PutItem":              {decrypt},
	"dynamodb:UpdateItem":           {decrypt},
	"dynamodb:DeleteItem":           {decrypt},
	"dynamodb:ConditionCheckItem":   {decrypt},
	"dynamodb:Query":                {decrypt},
	"dynamodb:Scan":                 {decrypt},
	"dynamodb:BatchGetItem":         {decrypt},
	"dynamodb:BatchWriteItem":       {decrypt},
	"dynamodb:GetRecords":           {decrypt},
	"s3:GetObject":                  {decrypt},
	"s3:GetObjectVersion":           {decrypt},
	"s3:PutObject":                  {generate},
	"sns:Publish":                   {generate, decrypt},
	"sqs:SendMessage":               {generate, decrypt},
	"sqs:ReceiveMessage":            {decrypt},
	"secretsmanager:GetSecretValue": {decrypt},
	"secretsmanager:PutSecretValue": {generate, decrypt},
}

// needed returns what n, part of request q, needs of KMS.
func (k *keyring) needed(n need, q request) []need {
	actions := used[n.action]
	if q.operation == "UploadPart" || q.operation == "CompleteMultipartUpload" {
		actions = []string{generate, decrypt} // the parts are read again
	}
	if len(actions) == 0 {
		return nil
	}
	key := k.of(encrypted(n.resource))
	if key == "" {
		return nil
	}
	var all []need
	for _, a := range actions {
		all = append(all, need{a, key})
	}
	return all
}

// encrypted returns the resource that has the key of resource: the bucket of an
// object, the table of an index or stream.
func encrypted(resource string) string {
	parts := strings.Split(resource, "/")
	switch {
	case strings.HasPrefix(resource, "arn:aws:s3:::"):
		return parts[0]
	case strings.HasPrefix(resource, "arn:aws:dynamodb:") && len(parts) > 2:
		return strings.Join(parts[:2], "/")
	}
	return resource
}

func (k *keyring) of(resource string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	key, ok := k.known[resource]
	if !ok {
		key = keyARN(k.find(context.Background(), resource))
		k.known[resource] = key
	}
	return key
}

// find asks the service. What it does not tell, or what is gone, has no key.
func (k *keyring) find(ctx context.Context, resource string) string {
	parts := strings.SplitN(resource, ":", 6)
	if len(parts) < 6 {
		return ""
	}
	switch parts[2] {
	case "dynamodb":
		if out, err := dynamodb.NewFromConfig(k.ask).DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: aws.String(lastElement(resource))}); err == nil && out.Table.SSEDescription != nil {
			return aws.ToString(out.Table.SSEDescription.KMSMasterKeyArn)
		}
	case "s3":
		client := s3.NewFromConfig(k.ask, func(o *s3.Options) { o.UsePathStyle = true })
		if out, err := client.GetBucketEncryption(ctx, &s3.GetBucketEncryptionInput{Bucket: &parts[5]}); err == nil {
			for _, r := range out.ServerSideEncryptionConfiguration.Rules {
				return aws.ToString(r.ApplyServerSideEncryptionByDefault.KMSMasterKeyID)
			}
		}
	case "sns":
		if out, err := sns.NewFromConfig(k.ask).GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: &resource}); err == nil {
			return out.Attributes["KmsMasterKeyId"]
		}
	case "sqs":
		url := aws.ToString(k.ask.BaseEndpoint) + "/" + Account + "/" + parts[5]
		in := &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameKmsMasterKeyId}}
		if out, err := sqs.NewFromConfig(k.ask).GetQueueAttributes(ctx, in); err == nil {
			return out.Attributes["KmsMasterKeyId"]
		}
	case "secretsmanager":
		if out, err := secretsmanager.NewFromConfig(k.ask).DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &resource}); err == nil {
			return aws.ToString(out.KmsKeyId)
		}
	}
	return ""
}

// keyARN returns the ARN of a key, which may be named by id or alias. Keys that
// AWS manages need no permission of the caller's.
func keyARN(key string) string {
	switch {
	case key == "" || strings.Contains(key, "alias/aws/"):
		return ""
	case strings.HasPrefix(key, "arn:"):
		return key
	case strings.HasPrefix(key, "alias/"):
		return "arn:aws:kms:" + Region + ":" + Account + ":" + key
	}
	return "arn:aws:kms:" + Region + ":" + Account + ":key/" + key
}
