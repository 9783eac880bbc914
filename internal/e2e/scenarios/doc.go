// Package scenarios plays the same stories in both homes of Sluice: on a laptop,
// and deployed by the CDK into a stand-in for AWS. A story is told once, over
// the API; only how something arrives from outside (a push, an object, an
// image) and how time passes differs, which is what a home has.
package scenarios
