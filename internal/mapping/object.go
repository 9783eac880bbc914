package mapping

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/sluice-ci/sluice/internal/pipeline"
)

// Object returns the file that stands for an object an S3 source action reads:
// the file a flag gave to the action, else the key's file in the folder a flag
// gave to it or its bucket's folder. An empty key is the configured one. The
// file need not exist.
func (m Mapping) Object(a pipeline.Action, key, data string) (string, error) {
	if key == "" {
		key = a.Configuration["S3ObjectKey"]
	}
	rel, err := ObjectPath(key)
	if err != nil {
		return "", err
	}
	folder, given := m.Sources[a.Name]
	if given {
		if info, err := os.Stat(folder); err == nil && !info.IsDir() {
			return folder, nil
		}
	} else if folder, err = m.Bucket(a.Configuration["S3Bucket"], data); err != nil {
		return "", err
	}
	return filepath.Join(folder, rel), nil
}

// ObjectPath returns where the object of an S3 key is in its bucket's folder.
// A folder knows no empty names, so p//file is p/file and /file is file. A key
// that would leave the folder is refused.
func ObjectPath(key string) (string, error) {
	bad := func(why string) (string, error) {
		return "", pipeline.Errorf(pipeline.Validation, "key %q cannot be a file: %s", key, why)
	}
	if len(key) > 1024 {
		return bad("it is longer than 1,024 bytes")
	}
	if strings.ContainsAny(key, "\x00\\") {
		return bad(`it holds a zero byte or a \`)
	}
	var parts []string
	for part := range strings.SplitSeq(key, "/") {
		switch part {
		case "":
		case ".", "..":
			return bad("a part of it is . or ..")
		default:
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 || strings.HasSuffix(key, "/") {
		return bad("it does not end with a name")
	}
	return filepath.Join(parts...), nil
}

// VersionID returns the version id of an object in a folder, which keeps no
// versions: it is made from the content's digest (sha256:...), so it names one
// content for ever.
func VersionID(digest string) string {
	hex := strings.TrimPrefix(digest, "sha256:")
	return hex[:min(len(hex), 32)]
}
