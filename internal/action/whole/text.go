package whole

import "strings"

// How much of a commit's message, or of whatever a revision is called by, is
// passed on.
const (
	MaxSummary = 2048    // bytes, of a revision's summary
	MaxMessage = 100_000 // bytes, of a variable; all variables of an action may take 122,880
)

// Clip shortens text to at most n bytes, between two characters.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "")
}
