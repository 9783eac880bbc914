package pipeline

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Namespaces that belong to the service.
const (
	GlobalNamespace   = "codepipeline" // #{codepipeline.PipelineExecutionId}
	VariableNamespace = "variables"    // #{variables.Name}
)

// A Reference is one use of a variable, written #{namespace.key}.
type Reference struct {
	Namespace string
	Key       string
}

// String returns r as it is written.
func (r Reference) String() string { return "#{" + r.Namespace + "." + r.Key + "}" }

// reference matches the whole syntax: no nesting, no defaults, no functions.
// The documentation allows ^ [ ] * $ in keys besides what the API does.
var reference = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`#\{([A-Za-z0-9@\-_]+)\.([A-Za-z0-9@\-_^\[\]*$]+)\}`)
})

// References returns every reference in text, in order, repeats included.
// Whatever is not exactly a reference is text.
func References(text string) []Reference {
	var refs []Reference
	for _, m := range reference().FindAllStringSubmatch(text, -1) {
		refs = append(refs, Reference{m[1], m[2]})
	}
	return refs
}

// A Lookup returns the value of a variable and whether it has one.
type Lookup = func(namespace, key string) (string, bool)

// Resolve replaces every reference in text by its value. Values are not looked
// at again, so a value that looks like a reference stays as it is. The error
// is an [Unresolved].
func Resolve(text string, lookup Lookup) (string, error) {
	return replace(text, lookup, func(_ int, value string) (string, error) { return value, nil })
}

// replace is the one pass of all resolution: encode turns a value into what
// may stand at an offset of text.
func replace(text string, lookup Lookup, encode func(offset int, value string) (string, error)) (string, error) {
	var b strings.Builder
	var missing Unresolved
	end := 0
	for _, m := range reference().FindAllStringSubmatchIndex(text, -1) {
		ref := Reference{text[m[2]:m[3]], text[m[4]:m[5]]}
		value, ok := lookup(ref.Namespace, ref.Key)
		if !ok {
			missing = append(missing, ref)
			continue
		}
		value, err := encode(m[0], value)
		if err != nil {
			return "", err
		}
		b.WriteString(text[end:m[0]])
		b.WriteString(value)
		end = m[1]
	}
	if len(missing) > 0 {
		return "", missing
	}
	b.WriteString(text[end:])
	return b.String(), nil
}

// Unresolved is the error of a resolution: the references without a value.
type Unresolved []Reference

func (u Unresolved) Error() string {
	var names []string
	for _, r := range u {
		if !slices.Contains(names, r.String()) {
			names = append(names, r.String())
		}
	}
	return "unresolved variables: " + strings.Join(names, ", ")
}
