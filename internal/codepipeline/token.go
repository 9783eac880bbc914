package codepipeline

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// pageSize is how many entries a page has when the caller does not say.
const pageSize = 100

// A cursor is what a nextToken holds: which query it belongs to, and where
// that query goes on.
type cursor[Position any] struct {
	Query []byte   `json:"q"`
	At    Position `json:"at"`
}

// fingerprint returns what tells one query from another: the operation and all
// its parameters but those of paging.
func fingerprint(operation string, parameters ...any) []byte {
	sum := sha256.Sum256(encode([]any{operation, parameters}))
	return sum[:12]
}

// nextToken returns the token with which query goes on behind position.
func nextToken[Position any](query []byte, position Position) string {
	return base64.RawURLEncoding.EncodeToString(encode(cursor[Position]{query, position}))
}

// position returns where query goes on: at the beginning without a token. A
// token of another query is refused.
func position[Position any](query []byte, token string) (Position, error) {
	var c cursor[Position]
	if token == "" {
		return c.At, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil || string(c.Query) != string(query) {
		return c.At, pipeline.Errorf(pipeline.InvalidNextToken, "The next token is not one that this request was given; ask again without it")
	}
	return c.At, nil
}

// limit returns the size of a page for which n entries were asked; 0 is no wish.
func limit(n int) int {
	if n == 0 {
		return pageSize
	}
	return n
}
