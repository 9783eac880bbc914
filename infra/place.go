package infra

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

// A place is a deployment: what it is called and where it is. Every physical
// name and every ARN is made from it, so that a stack needs nothing of another
// stack but that it was deployed before.
type place struct {
	name    string // without a hyphen, so that no deployment's "name-*" covers another's
	account string
	region  string
}

// partition returns aws, aws-cn or aws-us-gov.
func (p place) partition() string {
	switch {
	case strings.HasPrefix(p.region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(p.region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

// called returns the name of something there is one of in a Region.
func (p place) called(what string) string { return p.name + "-" + what }

// service returns the name a service has in KMS's view of who calls it.
func (p place) service(name string) string {
	if p.partition() == "aws-cn" {
		return name + "." + p.region + ".amazonaws.com.cn"
	}
	return name + "." + p.region + ".amazonaws.com"
}

// arn returns an ARN of the deployment's account and Region.
func (p place) arn(service, rest string) string {
	return "arn:" + p.partition() + ":" + service + ":" + p.region + ":" + p.account + ":" + rest
}

// function returns the ARN of a function.
func (p place) function(name string) string { return p.arn("lambda", "function:"+p.called(name)) }

// queue returns the ARN of a queue.
func (p place) queue(name string) string { return p.arn("sqs", p.called(name)) }

// topic returns the ARN of a topic.
func (p place) topic(name string) string { return p.arn("sns", p.called(name)) }

// role returns the name of the role of a function, or of all machines. Roles
// have no Region, so the name has.
func (p place) role(what string) string { return p.called(what) + "-" + p.region }

// roleARN returns the ARN of a role by its name.
func (p place) roleARN(name string) string {
	return "arn:" + p.partition() + ":iam::" + p.account + ":role/" + name
}

// bucket returns the name of a bucket. Buckets have neither account nor
// Region, so the name has both.
func (p place) bucket(what string) string {
	return p.called(what) + "-" + p.account + "-" + p.region
}

// artifacts is the name of the bucket of artifacts.
func (p place) artifacts() string { return p.bucket("artifacts") }

// bucketARN returns the ARN of a bucket, or of objects: "bucket/key".
func (p place) bucketARN(rest string) string { return "arn:" + p.partition() + ":s3:::" + rest }

// assets is the name of the bucket that cdk bootstrap makes for files.
func (p place) assets(qualifier string) string {
	return "cdk-" + qualifier + "-assets-" + p.account + "-" + p.region
}

// Parameters tell other stacks what a name cannot: what AWS gives an id to.
func (p place) keyParameter() string    { return "/" + p.name + "/key" }
func (p place) streamParameter() string { return "/" + p.name + "/stream" }

// Names of what belongs to one pipeline. Each is as long, and of such
// characters, as the strictest of its uses allows.
func (p place) stack(pipeline string) string { return fit(p.called("pipeline-")+pipeline, "", 128) }
func (p place) machine(pipeline string) string {
	return fit(p.name+"-"+pipeline, "_", 80)
}

// pipelineRole is the name of the role that a pipeline's actions use. It
// begins with what the functions may assume.
func (p place) pipelineRole(pipeline string) string {
	return fit(p.called("pipeline-")+pipeline, "_", 64-1-len(p.region)) + "-" + p.region
}

// rule is the name of a rule of a pipeline. It always has a hash: both parts
// may have hyphens, so together they do not say where one ends.
func (p place) rule(pipeline, what string) string {
	hash := "-" + digest(pipeline+"\n"+what)
	return fit(p.name+"-"+pipeline+"-"+what, "_", 64-len(hash)) + hash
}

// ruleARN returns the ARN of a rule by its name; a pattern if that is one.
func (p place) ruleARN(name string) string { return p.arn("events", "rule/"+name) }

// fit returns name if it has only letters, digits, hyphens and the characters
// in also, and at most limit of them. Another name is brought into that shape
// and gets a hash, so that different names stay different.
func fit(name, also string, limit int) string {
	shaped := regexp.MustCompile(`[^A-Za-z0-9`+also+`-]`).ReplaceAllString(name, "-")
	if shaped == name && len(name) <= limit {
		return name
	}
	hash := "-" + digest(name)
	return shaped[:min(len(shaped), limit-len(hash))] + hash
}

// digest returns 8 characters that differ for different texts.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:4])
}
