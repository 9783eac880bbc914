// Package events is the public contract: what leaves on the bus when the state
// of a pipeline changes, and what arrives there and may start one. Each event
// is one Go type with a sample in testdata. Other programs may import this
// package; it imports only the standard library.
//
// Those that leave are CodePipeline's own, to the letter: rules, targets and
// programs written for the service must not notice a difference. They keep its
// spelling (CANCELED, where the API says Cancelled) and its numbers (1.0).
//
// A field, once released, keeps its name, type and meaning. A change that
// cannot keep that promise is a new event.
package events
