// Package secret is the port to secret values: Secrets Manager and Parameter
// Store in an AWS account, a file that only its owner can read on a laptop.
package secret

import "context"

// A Store gives the values of secrets and parameters by name. Values are never
// logged. A missing name gives an error that names it and where it was sought.
type Store interface {
	// Secret returns a secret of Secrets Manager. ref is
	// id[:json-key[:version-stage[:version-id]]] as in a buildspec, with an
	// ARN allowed as id.
	Secret(ctx context.Context, ref string) (string, error)

	// Parameter returns a parameter of Parameter Store, decrypted.
	Parameter(ctx context.Context, name string) (string, error)
}
