// Package events is the public contract: all that leaves Sluice for programs of
// others, and all that arrives and makes it do something. Each event and
// message is one Go type, with a sample in testdata and a JSON Schema (draft
// 2020-12) in schema, both of the same name. Other programs may import this
// package; it imports only the standard library.
//
// What leaves is CodePipeline's own, to the letter: rules, targets and programs
// written for the service must not notice a difference. It keeps the service's
// spelling (CANCELED, where the API says Cancelled) and its numbers (1.0).
// Mails to people are text and no part of this.
//
// # Schemas
//
// The schemas of what we write ourselves are closed: they refuse members that
// they do not name. That is what leaves, and what our own rules send to our own
// functions. A member that nobody announced is a mistake there, and somebody
// would soon rely on it.
//
// The schemas of what AWS writes are open, and ask for no more than we read or
// tell apart by: CodeCommit, S3, ECR, CodeBuild, Step Functions, EventBridge's
// envelope and CloudFormation's properties may have further members today, or
// get them tomorrow, without asking us.
//
// A program that reads our events should be as tolerant, although our schemas
// are not: a later version may add members, and names them in its schema.
//
// # Promise
//
// A field, once released, keeps its name, type and meaning. A change that
// cannot keep that promise is a new event.
package events
