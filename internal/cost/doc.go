// Package cost holds the test that writes docs/cost.md: what a run costs in an
// AWS account, beside CodePipeline. Its files are tests only.
//
// Nothing in it is measured in an account. State transitions are counted in the
// machine that the compiler makes. Everything else is counted in a run of the
// use cases over the DynamoDB adapter and a fake of its client, in a time of
// its own. Prices are those of testdata/prices.json, each with its date and
// source. What neither a machine nor a run can tell, such as how long a call of
// a function is billed, is an assumption, and the document names it.
package cost
