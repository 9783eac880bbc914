// The CDK app of Sluice: the cdk command runs it, in the folder of cdk.json,
// and deploys what it writes.
package main

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"github.com/sluice-ci/sluice/infra"
)

func main() {
	err := synthesize()
	jsii.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func synthesize() error {
	app := awscdk.NewApp(nil)
	if err := infra.Build(app, "."); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
