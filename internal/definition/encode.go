package definition

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Encode returns d as get-pipeline prints it: JSON, wrapped, indented. What
// [Read] makes of the result is d again.
func Encode(d pipeline.Declaration) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "    ")
	wrapped := struct {
		Pipeline pipeline.Declaration `json:"pipeline"`
	}{d}
	if err := enc.Encode(wrapped); err != nil {
		return nil, fmt.Errorf("encode pipeline %s: %w", d.Name, err)
	}
	return b.Bytes(), nil
}
