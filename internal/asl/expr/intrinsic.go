package expr

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// maxNesting is how deep Step Functions lets intrinsic functions be nested.
const maxNesting = 10

// A call is an intrinsic function with its arguments.
type call struct {
	name   string
	args   []expression
	pieces []string // of States.Format with a literal: what stands around each {}
}

// A literal is a constant argument, as JSON.
type literal []byte

func (l literal) append(dst []byte, _ *Env, _ string) ([]byte, error) { return append(dst, l...), nil }

// An intrinsic appends the value of a function of args, which are JSON.
type intrinsic struct {
	min, max int // arguments
	eval     func(dst []byte, args [][]byte, env *Env) ([]byte, error)
}

var intrinsics = map[string]intrinsic{
	"States.Format":       {1, math.MaxInt, nil}, // see call.format
	"States.JsonToString": {1, 1, jsonToString},
	"States.StringToJson": {1, 1, stringToJSON},
	"States.Array":        {0, math.MaxInt, array},
	"States.MathAdd":      {2, 2, mathAdd},
	"States.UUID":         {0, 0, uuid},
}

// parseExpression parses a path or an intrinsic function.
func parseExpression(text string) (expression, error) {
	if strings.HasPrefix(text, "$") {
		return ParsePath(text)
	}
	if !strings.HasPrefix(text, "States.") {
		return nil, fmt.Errorf("%q is neither a path nor an intrinsic function", text)
	}
	e, rest, err := parseCall(text, 1)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q behind the function", rest)
	}
	return e, err
}

func parseCall(text string, depth int) (expression, string, error) {
	name, rest, ok := strings.Cut(text, "(")
	fn, known := intrinsics[name]
	if !ok || !known {
		return nil, "", fmt.Errorf("intrinsic function %q is not supported; there are %s",
			name, strings.Join(slices.Sorted(maps.Keys(intrinsics)), ", "))
	}
	if depth > maxNesting {
		return nil, "", fmt.Errorf("intrinsic functions are nested more than %d deep", maxNesting)
	}
	c := call{name: name}
	first := "" // the first argument as it is written
	for rest = strings.TrimLeft(rest, " "); !strings.HasPrefix(rest, ")"); {
		if len(c.args) > 0 {
			if rest, ok = strings.CutPrefix(rest, ","); !ok {
				return nil, "", fmt.Errorf("%s: no , or ) at %q", name, rest)
			}
			rest = strings.TrimLeft(rest, " ")
		}
		arg, after, err := parseArgument(rest, depth)
		if err != nil {
			return nil, "", err
		}
		if len(c.args) == 0 {
			first = rest[:len(rest)-len(after)]
		}
		c.args = append(c.args, arg)
		rest = strings.TrimLeft(after, " ")
	}
	if len(c.args) < fn.min || len(c.args) > fn.max {
		return nil, "", fmt.Errorf("%s does not take %d arguments", name, len(c.args))
	}
	if name == "States.Format" && strings.HasPrefix(first, "'") {
		var err error
		if c.pieces, err = pieces(first[1 : len(first)-1]); err != nil {
			return nil, "", fmt.Errorf("%s: %w", name, err)
		}
		if len(c.pieces) != len(c.args) {
			return nil, "", fmt.Errorf("%s has %d times {} and %d values for it", name, len(c.pieces)-1, len(c.args)-1)
		}
	}
	return c, rest[1:], nil
}

func parseArgument(text string, depth int) (expression, string, error) {
	switch {
	case strings.HasPrefix(text, "'"):
		s, rest, err := quoted(text, '\'')
		return literal(AppendString(nil, s)), rest, err
	case strings.HasPrefix(text, "$"):
		end := pathEnd(text)
		p, err := ParsePath(text[:end])
		return p, text[end:], err
	case strings.HasPrefix(text, "States."):
		return parseCall(text, depth+1)
	}
	end := strings.IndexAny(text, ",) ")
	if end < 0 {
		return nil, "", fmt.Errorf("no ) behind %q", text)
	}
	word := text[:end]
	if word == "" || word != "true" && word != "false" && word != "null" && !isNumber([]byte(word)) {
		return nil, "", fmt.Errorf("%q is no argument; use a path, a string in single quotes, a number, true, false or null", word)
	}
	v, err := Compact([]byte(word))
	return literal(v), text[end:], err
}

// pathEnd returns where a path in front of more arguments ends.
func pathEnd(text string) int {
	var quote byte
	bracket := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case bracket && (c == '\'' || c == '"'):
			quote = c
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case !bracket && (c == ',' || c == ')' || c == ' '):
			return i
		}
	}
	return len(text)
}

// pieces splits the literal of a States.Format at its {}.
func pieces(text string) ([]string, error) {
	var all []string
	var b []byte
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && i+1 < len(text):
			i++
			b = append(b, text[i])
		case c == '{' && i+1 < len(text) && text[i+1] == '}':
			i++
			all, b = append(all, string(b)), b[:0]
		case c == '{' || c == '}':
			return nil, errors.New(`a brace that is no {} is written \{ or \}`)
		default:
			b = append(b, c)
		}
	}
	return append(all, string(b)), nil
}

func (c call) append(dst []byte, env *Env, field string) ([]byte, error) {
	args := make([][]byte, len(c.args))
	for i, a := range c.args {
		var err error
		if args[i], err = a.append(nil, env, field); err != nil {
			return dst, err
		}
	}
	from := len(dst)
	var err error
	if c.name == "States.Format" {
		dst, err = c.format(dst, args)
	} else {
		dst, err = intrinsics[c.name].eval(dst, args, env)
	}
	if err != nil {
		return dst, fail(IntrinsicFailure, "%s, specified for the field '%s': %s", c.name, field, err)
	}
	if len(dst)-from > Limit {
		return dst, tooLarge()
	}
	return dst, nil
}

func (c call) format(dst []byte, args [][]byte) ([]byte, error) {
	around := c.pieces
	if around == nil {
		if !isString(args[0]) {
			return dst, errors.New("the template is no string")
		}
		if around = strings.Split(Unquote(args[0]), "{}"); len(around) != len(args) {
			return dst, fmt.Errorf("%d times {} and %d values for it", len(around)-1, len(args)-1)
		}
	}
	var b strings.Builder
	for i, text := range around {
		if i > 0 {
			if v := args[i]; isString(v) {
				b.WriteString(Unquote(v))
			} else {
				b.Write(v)
			}
		}
		b.WriteString(text)
	}
	return AppendString(dst, b.String()), nil
}

func jsonToString(dst []byte, args [][]byte, _ *Env) ([]byte, error) {
	return AppendString(dst, string(args[0])), nil
}

func stringToJSON(dst []byte, args [][]byte, _ *Env) ([]byte, error) {
	if !isString(args[0]) {
		return dst, errors.New("the argument is no string")
	}
	v, err := Compact([]byte(Unquote(args[0])))
	return append(dst, v...), err
}

func array(dst []byte, args [][]byte, _ *Env) ([]byte, error) {
	dst = append(dst, '[')
	for i, a := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, a...)
	}
	return append(dst, ']'), nil
}

// mathAdd adds numbers of 32 bits; fractions are rounded first.
func mathAdd(dst []byte, args [][]byte, _ *Env) ([]byte, error) {
	sum := 0.0
	for _, a := range args {
		f, err := strconv.ParseFloat(string(a), 64)
		if !isNumber(a) || err != nil {
			return dst, errors.New("an argument is no number")
		}
		sum += math.Floor(f + 0.5)
	}
	if !(sum >= math.MinInt32 && sum <= math.MaxInt32) {
		return dst, errors.New("the sum is outside -2147483648 to 2147483647")
	}
	return strconv.AppendInt(dst, int64(sum), 10), nil
}

func uuid(dst []byte, _ [][]byte, env *Env) ([]byte, error) {
	return AppendString(dst, env.Scope.UUID()), nil
}
