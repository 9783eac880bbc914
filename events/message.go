package events

// Messages holds one zero value of each message that travels without an
// envelope: to a function, to a topic, from CloudFormation.
var Messages = []any{
	ScheduledStart{},
	Sweep{},
	Registration{},
	ApprovalNotification{},
	JobEvent{},
}

// ScheduledStart asks the function trigger for a start that is due. The rule of
// a schedule sends it, in place of its event.
type ScheduledStart struct {
	Schedule Schedule `json:"schedule"`
}

// A Schedule says what is due.
type Schedule struct {
	Pipeline string `json:"pipeline"`
	Rule     string `json:"rule"` // ARN of the rule, which becomes the detail of the execution's trigger
	ID       string `json:"id"`   // of the event: the same when it is delivered again, so it starts once
}

// Sweep asks the function outbox to look for what nobody noticed. A rule sends
// it each minute.
type Sweep struct {
	Sweep bool `json:"sweep"` // true
}

// Registration holds the properties of the custom resource
// Custom::SluicePipeline, by which a deployment tells the function register
// what it made. CloudFormation hands them on as they stand in the template.
type Registration struct {
	ServiceToken string `json:"ServiceToken"` // ARN of the function
	Definition   Asset  `json:"Definition"`   // the pipeline's declaration, as JSON
	Machine      string `json:"Machine"`      // ARN of the version of its state machine
	Role         string `json:"Role"`         // ARN of the role its actions use
}

// An Asset is a file that a deployment has put into a bucket.
type Asset struct {
	Bucket string `json:"Bucket"`
	Key    string `json:"Key"`
}

// ApprovalNotification is the message that the topic of an approval gets
// (user guide, JSON data format for manual approval notifications).
type ApprovalNotification struct {
	Region      string   `json:"region"`
	ConsoleLink string   `json:"consoleLink"`
	Approval    Approval `json:"approval"`
}

// An Approval is what is asked for.
type Approval struct {
	PipelineName string `json:"pipelineName"`
	StageName    string `json:"stageName"`
	ActionName   string `json:"actionName"`
	Token        string `json:"token"`                        // of PutApprovalResult
	Expires      string `json:"expires"`                      // UTC, to the minute: 2016-07-07T20:22Z
	ExternalLink string `json:"externalEntityLink,omitempty"` // ExternalEntityLink of the action
	ReviewLink   string `json:"approvalReviewLink"`           // where it is answered
	CustomData   string `json:"customData,omitempty"`         // of the action
}
