package stage

import "time"

// A Transition is what there is to show of a stage's inbound transition.
// Whether it is closed is in State.Disabled.
type Transition struct {
	Reason    string    `json:"reason,omitempty"`
	ChangedBy string    `json:"changedBy,omitempty"`
	ChangedAt time.Time `json:"changedAt,omitzero"`
}
