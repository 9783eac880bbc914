// Package pipeline is the vocabulary of the system: what a pipeline is, which
// declarations are lawful, and what the parts of an execution may be called.
//
// It imports only the standard library and does no I/O. Names, statuses,
// limits and error texts are CodePipeline's own (API version 2015-07-09), so
// the same value can be read from a file, stored, and sent over the wire.
package pipeline
