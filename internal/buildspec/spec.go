package buildspec

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Spec is a build specification.
type Spec struct {
	Version   Version
	Env       Env
	Phases    [4]Phase // install, pre_build, build, post_build; zero where there is none
	Artifacts *Artifacts
	Cache     []string // paths, relative to the source folder or absolute
	Ignored   []string // what it asks for and does not get here, for the log
}

// Version is 0.1, where every command has a shell of its own, or 0.2.
type Version string

// The versions there are.
const (
	V01 Version = "0.1"
	V02 Version = "0.2"
)

// Env is the environment that a Spec asks for.
type Env struct {
	Shell      string // "" (sh) or "bash"
	Variables  []Variable
	Parameters []Variable // the values are names of parameters
	Secrets    []Variable // the values are references of secrets
	Exported   []string
}

// A Variable is named by the left side of a mapping.
type Variable struct{ Name, Value string }

// PhaseName names one of the four phases, in lower case.
type PhaseName string

// Phases lists the phases in the order they run.
var Phases = [4]PhaseName{"install", "pre_build", "build", "post_build"}

// Upper spells the name as the log and the API do.
func (n PhaseName) Upper() string { return strings.ToUpper(string(n)) }

// A Phase is a list of commands.
type Phase struct {
	Commands  []string
	Finally   []string
	OnFailure OnFailure
}

// OnFailure says what follows the failure of a phase.
type OnFailure string

// The choices. Without one, only a failed build phase is followed by another
// phase, and every failure fails the build.
const (
	Abort    OnFailure = "ABORT"    // no phase follows
	Continue OnFailure = "CONTINUE" // the next phase follows, and the build may still succeed
)

// Artifacts says which files are the output.
type Artifacts struct {
	Fileset
	Name      string // informative: CodePipeline names its artifacts itself
	Secondary map[string]Fileset
}

// A Fileset is a choice of files.
type Fileset struct {
	Files    []string // patterns, relative to the base
	Exclude  []string
	Base     string // a folder in the source folder, or a pattern for several; "" is the source folder
	Discard  bool   // only the names of files count, not their folders
	Symlinks bool   // links are kept instead of followed
}

// Output returns the files of the output called name, one of n an action has:
// a single output is the primary artifact, of several each is the secondary
// artifact of its name. ok is false if the buildspec declares no artifacts at
// all, which CodeBuild takes for an output without content.
func (a *Artifacts) Output(name string, n int) (set Fileset, ok bool, err error) {
	if a == nil {
		return Fileset{}, false, nil
	}
	if n == 1 && len(a.Files) > 0 {
		return a.Fileset, true, nil
	}
	set, found := a.Secondary[name]
	if !found {
		return Fileset{}, false, fmt.Errorf("the buildspec has no artifact %q: declare it in artifacts.secondary-artifacts, which has [%s]",
			name, strings.Join(slices.Sorted(maps.Keys(a.Secondary)), " "))
	}
	return set, true, nil
}
