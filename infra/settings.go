package infra

import "slices"

// settings are what the symbols of a policy stand for in one deployment.
type settings struct {
	place
	elsewhere
	qualifier string // of cdk bootstrap
	stream    string // ARN of the table's stream
	key       string // ARN of the KMS key
	pages     string // URL of the function hook; "" without links
	queueURL  string // of the queue resume
	log       string
}

// elsewhere is what functions reach beyond the deployment, as ARNs, because
// definitions name it or the context allows it.
type elsewhere struct {
	roles, topics, buckets, keys, secrets, parameters []string
}

// resources returns the ARNs that each symbol of a policy stands for.
func (s settings) resources() map[string][]string {
	var objects []string
	buckets := append([]string{s.bucketARN(s.artifacts())}, s.buckets...)
	for _, b := range buckets {
		objects = append(objects, b+"/*")
	}
	return map[string][]string{
		"table":      {s.arn("dynamodb", "table/"+s.name)},
		"stream":     {s.stream},
		"bucket":     buckets,
		"objects":    objects,
		"key":        append([]string{s.key}, s.keys...),
		"bus":        {s.arn("events", "event-bus/"+s.name)},
		"alerts":     {s.topic("alerts")},
		"approvals":  {s.topic("approvals")},
		"queue":      {s.queue("resume")},
		"machines":   {s.arn("states", "stateMachine:"+s.called("*"))},
		"runs":       {s.arn("states", "execution:"+s.called("*:*"))},
		"roles":      append([]string{s.roleARN(s.called("pipeline-*"))}, s.roles...),
		"topics":     slices.Clone(s.topics),
		"assets":     {s.bucketARN(s.assets(s.qualifier) + "/*")},
		"secrets":    append([]string{s.arn("secretsmanager", "secret:"+s.name+"/*")}, s.secrets...),
		"parameters": append([]string{s.arn("ssm", "parameter/"+s.name+"/*")}, s.parameters...),
		"any":        {"*"},
	}
}

// environment returns the variables that functions may read, with their values.
func (s settings) environment() map[string]string {
	return map[string]string{
		"SLUICE_TABLE":     s.name,
		"SLUICE_BUCKET":    s.artifacts(),
		"SLUICE_KEY":       s.key,
		"SLUICE_BUS":       s.name,
		"SLUICE_ALERTS":    s.topic("alerts"),
		"SLUICE_APPROVALS": s.topic("approvals"),
		"SLUICE_PAGES":     s.pages,
		"SLUICE_QUEUE":     s.queueURL,
		"SLUICE_ACCOUNT":   s.account,
		"SLUICE_LOG":       s.log,
	}
}
