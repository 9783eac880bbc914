package events

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// A Detail is the payload of one kind of event.
type Detail interface {
	// Source is the "source" rules match on.
	Source() string
	// DetailType is the "detail-type" rules match on.
	DetailType() string
}

// All holds one zero value of each event on the bus; [Messages] has the rest of
// what arrives and leaves. Whatever is made for every event, such as samples
// and schemas, is made from both.
var All = []Detail{
	PipelineStateChange{},
	StageStateChange{},
	ActionStateChange{},
	RepositoryStateChange{},
	ObjectCreated{},
	ImageAction{},
	BuildStateChange{},
	ExecutionStatusChange{},
}

// An Envelope is an event as it travels on the bus.
type Envelope struct {
	Version    string          `json:"version"` // "0"
	ID         string          `json:"id"`
	DetailType string          `json:"detail-type"`
	Source     string          `json:"source"`
	Account    string          `json:"account"`
	Time       time.Time       `json:"time"` // to the second
	Region     string          `json:"region"`
	Resources  []string        `json:"resources"` // ARNs
	Detail     json.RawMessage `json:"detail"`
}

// Wrap returns d in an envelope that still lacks what only the sender knows:
// id, account, time, region and resources.
func Wrap(d Detail) (Envelope, error) {
	raw, err := json.Marshal(d)
	if err != nil {
		return Envelope{}, fmt.Errorf("event %q: %w", d.DetailType(), err)
	}
	return Envelope{Version: "0", DetailType: d.DetailType(), Source: d.Source(), Resources: []string{}, Detail: raw}, nil
}

// Open returns the detail of e as one of the types in All, or nil if it is
// none of them. Fields unknown here are ignored, because senders add some. The
// sources CodePipeline and SluicePipeline are one.
func (e Envelope) Open() (Detail, error) {
	source := e.Source
	if source == SluicePipeline {
		source = CodePipeline
	}
	for _, zero := range All {
		if zero.Source() != source || zero.DetailType() != e.DetailType {
			continue
		}
		v := reflect.New(reflect.TypeOf(zero))
		if err := json.Unmarshal(e.Detail, v.Interface()); err != nil {
			return nil, fmt.Errorf("event %s, %q: %w", e.ID, e.DetailType, err)
		}
		return v.Elem().Interface().(Detail), nil
	}
	return nil, nil
}
