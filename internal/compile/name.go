package compile

import (
	"crypto/sha256"
	"encoding/hex"
)

// maxName is how long Step Functions lets the name of a state be.
const maxName = 80

// stateName returns full as the name of a state. One that is too long keeps
// its beginning and ends in a hash of the whole, so that it stays unique and
// depends on nothing else in the declaration. Names of stages and actions have
// no spaces, so the words around them cannot collide with other names.
func stateName(full string) string {
	if len(full) <= maxName {
		return full
	}
	sum := sha256.Sum256([]byte(full))
	return full[:maxName-9] + "~" + hex.EncodeToString(sum[:4])
}
