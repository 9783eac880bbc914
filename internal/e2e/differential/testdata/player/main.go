// Command player plays random cases on the engine that it is built with, and
// prints their traces as JSON. Tests build it with an engine that is broken.
//
//	player PIPELINES MACHINES
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	"github.com/sluice-ci/sluice/internal/e2e/differential"
)

func main() {
	traces := map[string][]string{}
	for _, s := range differential.Specimens(number(1), number(2)) {
		c, err := s.Case()
		if err != nil {
			panic(err)
		}
		traces[c.Name] = play(c)
	}
	if err := json.NewEncoder(os.Stdout).Encode(traces); err != nil {
		panic(err)
	}
}

func number(arg int) uint64 {
	n, err := strconv.ParseUint(os.Args[arg], 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// play returns the trace of a case, with what went wrong; a broken engine may
// do anything.
func play(c differential.Case) (lines []string) {
	defer func() {
		if p := recover(); p != nil {
			lines = append(lines, fmt.Sprint("panic ", p))
		}
	}()
	trace, _, err := c.Embedded()
	if lines = trace.Lines(); err != nil {
		lines = append(lines, "error "+err.Error())
	}
	return lines
}
