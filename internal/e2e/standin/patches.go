package standin

import (
	"io/fs"
	"regexp"
	"strconv"
)

// A Patch is one thing of moto that is mended. What a patch decides proves
// nothing about AWS, so docs/conformance.md lists them.
type Patch struct{ Name, Mends string }

var patchLine = regexp.MustCompile(`(?m)^@patch\(("(?:[^"\\]|\\.)*")\)\ndef (\w+)`)

// Patches returns the patches, in the order in which they stand in the scripts.
func Patches() ([]Patch, error) {
	var all []Patch
	err := fs.WalkDir(scripts, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := scripts.ReadFile(file)
		if err != nil {
			return err
		}
		for _, m := range patchLine.FindAllSubmatch(text, -1) {
			mends, err := strconv.Unquote(string(m[1]))
			if err != nil {
				return err
			}
			all = append(all, Patch{string(m[2]), mends})
		}
		return nil
	})
	return all, err
}
