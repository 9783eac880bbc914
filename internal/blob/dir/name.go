package dir

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// objectPath returns the path of an object below the root, or why the name is
// refused. os.Root would not let a path escape either; this says it clearly,
// and on every system alike.
func objectPath(bucket, key string) (string, error) {
	if strings.Contains(bucket, "/") || strings.HasPrefix(bucket, ".") {
		return "", fmt.Errorf("bucket %q is no valid name", bucket)
	}
	if why := checkPath(bucket); why != "" {
		return "", fmt.Errorf("bucket %q %s", bucket, why)
	}
	if why := checkPath(key); why != "" {
		return "", fmt.Errorf("object key %.100q %s", key, why)
	}
	return bucket + "/" + key, nil
}

// checkPath says why name cannot be a path on some system; "" if it can.
func checkPath(name string) string {
	if len(name) > 1024 {
		return "has more than 1024 bytes"
	}
	if !utf8.ValidString(name) {
		return "is not UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) || strings.ContainsRune(`\:*?"<>|`, r) {
			return fmt.Sprintf("contains %q", r)
		}
	}
	for part := range strings.SplitSeq(name, "/") {
		switch {
		case part == "":
			return "has an empty part"
		case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " "):
			return "has a part that ends with a dot or a space" // ".." among them
		case len(part) > 255:
			return "has a part of more than 255 bytes"
		}
	}
	return ""
}
