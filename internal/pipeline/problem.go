package pipeline

import (
	"fmt"
	"strconv"
	"strings"
)

// A Problem is one thing wrong with a declaration.
type Problem struct {
	Code    Code   // the exception the API raises for it
	Path    string // where, as in stages[0].actions[1].configuration.ProjectName
	Value   string // what was found there; empty when something is missing
	Message string // the service's own text where it is known
	Fix     string // what to write instead
}

// Failure returns what the API answers to a declaration with problems: all
// problems of shape in one ValidationException, or else the first of the rest
// alone. No problems are no error.
func Failure(problems []Problem) error {
	if text := ShapeMessage(problems); text != "" {
		return Errorf(Validation, "%s", text)
	}
	if len(problems) == 0 {
		return nil
	}
	return Errorf(problems[0].Code, "%s", problems[0].Message)
}

// ShapeMessage returns the text of the one ValidationException that reports
// every problem of shape among problems, or "" when there is none.
func ShapeMessage(problems []Problem) string {
	var parts []string
	for _, p := range problems {
		if p.Code == Validation {
			parts = append(parts, fmt.Sprintf("Value at '%s' failed to satisfy constraint: %s", memberPath(p), p.Message))
		}
	}
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return "1 validation error detected: " + parts[0]
	}
	return fmt.Sprintf("%d validation errors detected: %s", len(parts), strings.Join(parts, "; "))
}

// memberPath turns the path of p into the notation of the service's shape
// errors: lists are one-based and called member, and an entry of a map is
// reported at the map itself.
func memberPath(p Problem) string {
	path := p.Path
	if strings.HasPrefix(p.Message, "Map ") {
		if i := mapEnd(path); i >= 0 {
			path = path[:i]
		}
	}
	var b strings.Builder
	b.WriteString("pipeline")
	inMap := false
	for segment := range strings.SplitSeq(path, ".") {
		name, index, isList := strings.Cut(segment, "[")
		b.WriteString("." + name)
		if n, err := strconv.Atoi(strings.TrimSuffix(index, "]")); isList && err == nil {
			fmt.Fprintf(&b, ".%d.member", n+1)
		}
		if inMap {
			b.WriteString(".member")
		}
		inMap = name == "artifactStores"
	}
	return b.String()
}

// mapEnd returns where the path of a map ends inside the path of one of its
// entries. Keys may hold periods, so the name of the map decides.
func mapEnd(path string) int {
	for _, name := range []string{"configuration", "artifactStores"} {
		if i := strings.Index("."+path, "."+name+"."); i >= 0 {
			return i + len(name)
		}
	}
	return -1
}
