package standin_test

import (
	"cmp"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/e2e/standin"
)

// The list that Go reads is the one that is applied.
func TestPatches(t *testing.T) {
	got, err := standin.Patches()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "moto/serve.py", "--patches").Output()
	if err != nil {
		t.Skip("no python3 to compare with:", err)
	}
	var want []standin.Patch
	for line := range strings.Lines(string(out)) {
		name, mends, _ := strings.Cut(strings.TrimSpace(line), "\t")
		want = append(want, standin.Patch{Name: name, Mends: mends})
	}
	for _, patches := range [][]standin.Patch{got, want} {
		slices.SortFunc(patches, func(a, b standin.Patch) int { return cmp.Compare(a.Name, b.Name) })
	}
	if !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("patches\n%v\nwant\n%v", got, want)
	}
}
