// Command hello is the least that a function can be: the limit that the
// functions are measured against by BenchmarkFunctions.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) (string, error) { return "hello", nil })
}
