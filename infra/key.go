package infra

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/jsii-runtime-go"
)

// newKey makes the key of table, artifacts and topics. Who has kms: permissions
// in this account can use it through these services only, never to decrypt
// what was copied out of them.
func newKey(stack awscdk.Stack, cfg config) awskms.Key {
	key := awskms.NewKey(stack, jsii.String("key"), &awskms.KeyProps{
		Description:       jsii.String("Sluice " + cfg.name + ": records, artifacts, topics"),
		Alias:             jsii.String("alias/" + cfg.name),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_RETAIN,
		Policy:            awsiam.NewPolicyDocument(nil),
	})
	account := &[]awsiam.IPrincipal{awsiam.NewAccountRootPrincipal()}
	through := map[string]any{"kms:ViaService": []string{cfg.service("dynamodb"), cfg.service("s3"), cfg.service("sns")}}
	for _, s := range []awsiam.PolicyStatementProps{
		{
			Sid: jsii.String("Administer"), Principals: account, Actions: jsii.Strings(administer...),
		}, {
			Sid: jsii.String("UseThroughServices"), Principals: account,
			Actions: jsii.Strings("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext",
				"kms:ReEncryptFrom", "kms:ReEncryptTo"),
			Conditions: &map[string]any{"StringEquals": through},
		}, {
			Sid: jsii.String("GrantToServices"), Principals: account, Actions: jsii.Strings("kms:CreateGrant"),
			Conditions: &map[string]any{"StringEquals": through, "Bool": map[string]any{"kms:GrantIsForAWSResource": true}},
		}, {
			Sid: jsii.String("Alarms"), Principals: principals("cloudwatch.amazonaws.com"),
			Actions: jsii.Strings("kms:Decrypt", "kms:GenerateDataKey"), Conditions: fromAlarms(cfg),
		},
	} {
		s.Resources = jsii.Strings("*") // in the policy of a key: that key
		key.AddToResourcePolicy(awsiam.NewPolicyStatement(&s), nil)
	}
	return key
}

// administer lists what the account's administrators may do with the key. None
// of it reads or writes data.
var administer = []string{
	"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation",
	"kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants",
	"kms:ListKeyPolicies", "kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RetireGrant", "kms:RevokeGrant", "kms:RotateKeyOnDemand",
	"kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource", "kms:UpdateAlias", "kms:UpdateKeyDescription",
}
