package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// newState returns the stack of everything that survives: deleting the stack
// is refused, and what is in it stays even then.
func newState(scope constructs.Construct, cfg config) awscdk.Stack {
	stack := cfg.newStack(scope, cfg.called("state"), "Sluice: records, artifacts, topics")
	stack.SetTerminationProtection(jsii.Bool(true))
	key := newKey(stack, cfg)
	table := newTable(stack, cfg, key)
	newArtifacts(stack, cfg, key)
	awsevents.NewEventBus(stack, jsii.String("bus"), &awsevents.EventBusProps{EventBusName: &cfg.name}).
		ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN)
	alerts := newTopic(stack, cfg, key, "alerts", cfg.alerts)
	alerts.AddToResourcePolicy(alarmsMayPublish(cfg, alerts))
	approvals := newTopic(stack, cfg, key, "approvals", cfg.approvers)

	newParameter(stack, "key-arn", cfg.keyParameter(), *key.KeyArn())
	newParameter(stack, "stream-arn", cfg.streamParameter(), *table.TableStreamArn())
	output(stack, "TableName", *table.TableName(), "records")
	output(stack, "ArtifactsBucket", cfg.artifacts(), "artifacts")
	output(stack, "AlertsTopicArn", *alerts.TopicArn(), "what failed, for people")
	output(stack, "ApprovalsTopicArn", *approvals.TopicArn(), "requests for approval, for people")
	return stack
}

// newTable makes the single table. Its attributes are those of package
// store/dynamo; its stream carries the outbox.
func newTable(stack awscdk.Stack, cfg config, key awskms.Key) awsdynamodb.Table {
	attribute := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: &name, Type: awsdynamodb.AttributeType_STRING}
	}
	return awsdynamodb.NewTable(stack, jsii.String("table"), &awsdynamodb.TableProps{
		TableName:           &cfg.name,
		PartitionKey:        attribute("pk"),
		SortKey:             attribute("sk"),
		TimeToLiveAttribute: jsii.String("ttl"),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Stream:              awsdynamodb.StreamViewType_NEW_IMAGE,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
		Encryption:         awsdynamodb.TableEncryption_CUSTOMER_MANAGED,
		EncryptionKey:      key,
		DeletionProtection: jsii.Bool(true),
		RemovalPolicy:      awscdk.RemovalPolicy_RETAIN,
	})
}

// undone is for how many days an object that was deleted can be brought back.
const undone = 30

// newArtifacts makes the bucket of artifacts, and the one of its access log,
// which S3 can only write with a key of its own.
func newArtifacts(stack awscdk.Stack, cfg config, key awskms.Key) {
	logs := awss3.NewBucket(stack, jsii.String("access-log"), &awss3.BucketProps{
		BucketName:        jsii.String(cfg.bucket("access")),
		Encryption:        awss3.BucketEncryption_S3_MANAGED,
		EnforceSSL:        jsii.Bool(true),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
		LifecycleRules:    &[]*awss3.LifecycleRule{{Id: jsii.String("expire"), Expiration: days(cfg.retention)}},
	})
	logs.AddToResourcePolicy(logsMayArrive(cfg, logs))
	artifacts := awss3.NewBucket(stack, jsii.String("artifacts"), &awss3.BucketProps{
		BucketName:        jsii.String(cfg.artifacts()),
		Encryption:        awss3.BucketEncryption_KMS,
		EncryptionKey:     key,
		BucketKeyEnabled:  jsii.Bool(true),
		Versioned:         jsii.Bool(true),
		EnforceSSL:        jsii.Bool(true),
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		ObjectOwnership:   awss3.ObjectOwnership_BUCKET_OWNER_ENFORCED,
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
		LifecycleRules: &[]*awss3.LifecycleRule{{
			Id:                                  jsii.String("expire"),
			Expiration:                          days(cfg.retention),
			NoncurrentVersionExpiration:         days(undone),
			AbortIncompleteMultipartUploadAfter: days(1),
		}},
	})
	// The construct would give the log's bucket an ACL besides the policy.
	artifacts.Node().DefaultChild().(awss3.CfnBucket).SetLoggingConfiguration(&awss3.CfnBucket_LoggingConfigurationProperty{
		DestinationBucketName: logs.BucketName(), LogFilePrefix: jsii.String("artifacts/"),
	})
}

func days(n int) awscdk.Duration { return awscdk.Duration_Days(jsii.Number(n)) }

// logsMayArrive lets S3 write the access log of our bucket of artifacts.
func logsMayArrive(cfg config, logs awss3.Bucket) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: principals("logging.s3.amazonaws.com"),
		Actions:    jsii.Strings("s3:PutObject"),
		Resources:  &[]*string{logs.ArnForObjects(jsii.String("artifacts/*"))},
		Conditions: &map[string]any{
			"StringEquals": map[string]string{"aws:SourceAccount": cfg.account},
			"ArnEquals":    map[string]string{"aws:SourceArn": cfg.bucketARN(cfg.artifacts())},
		},
	})
}

// newTopic makes a topic and subscribes people to it. Each gets a mail that
// asks for a confirmation.
func newTopic(stack awscdk.Stack, cfg config, key awskms.Key, name string, addresses []string) awssns.Topic {
	topic := awssns.NewTopic(stack, &name, &awssns.TopicProps{
		TopicName: jsii.String(cfg.called(name)), MasterKey: key, EnforceSSL: jsii.Bool(true),
	})
	topic.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN) // who subscribed by hand stays subscribed
	for _, address := range addresses {                   // another one changes nothing for those who confirmed
		awssns.NewCfnSubscription(stack, jsii.String(name+"-mail-"+digest(address)), &awssns.CfnSubscriptionProps{
			TopicArn: topic.TopicArn(), Protocol: jsii.String("email"), Endpoint: &address,
		})
	}
	return topic
}

// alarmsMayPublish lets the alarms of this deployment reach people.
func alarmsMayPublish(cfg config, topic awssns.Topic) awsiam.PolicyStatement {
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: principals("cloudwatch.amazonaws.com"),
		Actions:    jsii.Strings("sns:Publish"),
		Resources:  &[]*string{topic.TopicArn()},
		Conditions: fromAlarms(cfg),
	})
}

// fromAlarms holds for what an alarm of this deployment causes.
func fromAlarms(cfg config) *map[string]any {
	return &map[string]any{
		"StringEquals": map[string]string{"aws:SourceAccount": cfg.account},
		"ArnLike":      map[string]string{"aws:SourceArn": cfg.arn("cloudwatch", "alarm:"+cfg.called("*"))},
	}
}

func principals(service string) *[]awsiam.IPrincipal {
	return &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(&service, nil)}
}

func newParameter(stack awscdk.Stack, id, name, value string) {
	awsssm.NewStringParameter(stack, &id, &awsssm.StringParameterProps{ParameterName: &name, StringValue: &value})
}
