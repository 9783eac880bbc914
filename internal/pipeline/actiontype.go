package pipeline

import (
	"slices"
	"time"
)

// An ActionType is what the service knows about a provider: how many
// artifacts its actions take, how long they may run, and which configuration
// keys they accept.
type ActionType struct {
	ID              ActionTypeID
	Inputs, Outputs Count
	Timeout         time.Duration
	NeedsV2         bool
	Compute         bool // takes commands, files and outputVariables
	Environment     bool // takes environmentVariables
	Required        []string
	Optional        []string
	Secret          []string // keys of the above that read back as ****
	Open            bool     // keys are declared elsewhere; any are accepted
}

// A Count is a range of allowed numbers, both ends included.
type Count struct{ Min, Max int }

// Keys returns every key t knows, the required ones first.
func (t ActionType) Keys() []string { return slices.Concat(t.Required, t.Optional) }

// Timeouts the catalog does not spell out.
const (
	defaultTimeout = time.Hour
	testTimeout    = 8 * time.Hour
	customTimeout  = 24 * time.Hour
	day            = 24 * time.Hour
)

// LookupType returns the action type with this id. Custom action types and
// partners are declared elsewhere, so any name of theirs is found, with the
// limits every custom action has.
func LookupType(id ActionTypeID) (ActionType, bool) {
	known := false
	for _, t := range actionTypes {
		if t.ID.Category == id.Category && t.ID.Owner == id.Owner && t.ID.Provider == id.Provider {
			if t.ID.Version == id.Version {
				return t, true
			}
			known = true
		}
	}
	if known || id.Owner != Custom && id.Owner != ThirdParty {
		return ActionType{}, false
	}
	t := ActionType{ID: id, Inputs: Count{0, 5}, Outputs: Count{0, 5}, Timeout: customTimeout, Open: true}
	if id.Owner == ThirdParty && id.Category == Test {
		t.Timeout = testTimeout
	}
	return t, true
}

// ActionTypes returns the catalog: every action type that needs no
// declaration, in the order of the service's documentation.
func ActionTypes() []ActionType { return slices.Clone(actionTypes) }

// Timeout returns how long a may run. Of all actions only an approval may say
// so itself; timeoutInMinutes anywhere else is stored and ignored.
func Timeout(a Action) time.Duration {
	if a.TypeID.Category == Approval && a.TimeoutInMinutes > 0 {
		return time.Duration(a.TimeoutInMinutes) * time.Minute
	}
	t, ok := LookupType(a.TypeID)
	if !ok || t.Timeout == 0 {
		return defaultTimeout
	}
	return t.Timeout
}

// providersOf returns the names of the providers that owner has in category.
func providersOf(category Category, owner Owner) []string {
	var names []string
	for _, t := range actionTypes {
		if t.ID.Category == category && t.ID.Owner == owner {
			names = append(names, t.ID.Provider)
		}
	}
	return names
}
