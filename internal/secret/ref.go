package secret

import (
	"fmt"
	"strings"
)

// A Ref names a part of a version of a secret, as a buildspec does. Empty
// parts have the service's default: the whole value, the stage AWSCURRENT.
type Ref struct {
	ID           string // name or ARN
	JSONKey      string
	VersionStage string
	VersionID    string
}

// ParseRef reads id[:json-key[:version-stage[:version-id]]]. An ARN, itself
// full of colons, may be the id.
func ParseRef(ref string) (Ref, error) {
	parts := strings.Split(ref, ":")
	idParts := 1
	if parts[0] == "arn" { // arn:partition:secretsmanager:region:account:secret:name
		idParts = 7
		if len(parts) < idParts || parts[2] != "secretsmanager" || parts[5] != "secret" {
			return Ref{}, fmt.Errorf("secret %q is no ARN of a secret (arn:aws:secretsmanager:region:account:secret:name)", ref)
		}
	}
	id, rest := strings.Join(parts[:idParts], ":"), parts[idParts:]
	if id == "" || parts[idParts-1] == "" {
		return Ref{}, fmt.Errorf("secret %q has no id", ref)
	}
	if len(rest) > 3 {
		return Ref{}, fmt.Errorf("secret %q has %d parts behind its id, more than json-key:version-stage:version-id", ref, len(rest))
	}
	rest = append(rest, "", "", "")
	r := Ref{ID: id, JSONKey: rest[0], VersionStage: rest[1], VersionID: rest[2]}
	if r.VersionStage != "" && r.VersionID != "" {
		return Ref{}, fmt.Errorf("secret %q names a version stage and a version id, only one is allowed", ref)
	}
	return r, nil
}

// Name returns the name of the secret: the id, or what an ARN calls it, with
// the six random characters that Secrets Manager appends to it.
func (r Ref) Name() string {
	if strings.HasPrefix(r.ID, "arn:") {
		return r.ID[strings.LastIndexByte(r.ID, ':')+1:]
	}
	return r.ID
}
