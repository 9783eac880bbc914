// Package codepipeline is the API of CodePipeline, version 2015-07-09, server
// side: JSON 1.1 over HTTP, so that the AWS CLI, an SDK or Terraform can be
// pointed at Sluice and does not notice.
//
// [New] returns the handler; server.go has the table of operations and each
// operation has a file. An operation checks the shape of its request, asks the
// [Orchestrator] for a change or the store for what is known, and puts the
// answer into the service's words. No rule about pipelines is decided here.
//
// Requests are not authenticated: the handler believes the access key id of
// the signature. It belongs behind [Loopback] on a laptop, or behind a front
// door that checks signatures.
//
// # Promises
//
// Each is held by the test of the same name.
//
//	Golden           Every operation answers exactly what its golden file says.
//	Botocore         Every answer is what the model of a real client expects.
//	ValidationTexts  A request of the wrong shape is refused in the service's words.
//	NoInternals      A failure of ours is logged once and tells the caller nothing.
//	NoSecrets        Secret configuration values read back as ****; task tokens never do.
//	BrowsersRefused  No page of another origin reaches an operation.
package codepipeline
