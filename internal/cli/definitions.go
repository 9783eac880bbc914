package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/sluice-ci/sluice/internal/definition"
	"github.com/sluice-ci/sluice/internal/local"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// laptop stands in for what a definition may leave out on this machine.
func laptop() definition.Options {
	return definition.Options{
		RoleARN:        "arn:aws:iam::" + local.Account + ":role/sluice",
		ArtifactBucket: "sluice-artifacts",
	}
}

// readDefinitions reads files and folders. With an error, which is
// [definition.Errors], come the definitions that are well.
func readDefinitions(paths []string, opts definition.Options) ([]definition.Definition, error) {
	var defs []definition.Definition
	var errs definition.Errors
	for _, path := range paths {
		var more []definition.Definition
		var err error
		if info, statErr := os.Stat(path); statErr == nil && info.IsDir() {
			more, err = definition.ReadDir(path, opts)
		} else {
			var one definition.Definition
			if one, err = definition.ReadFile(path, opts); err == nil {
				more = []definition.Definition{one}
			}
		}
		defs = append(defs, more...)
		if bad, ok := errors.AsType[definition.Errors](err); ok {
			errs = append(errs, bad...)
		} else if err != nil {
			return defs, err
		}
	}
	if len(errs) > 0 {
		return defs, errs
	}
	return defs, nil
}

// findMapping reads the mapping a flag names, else the one beside the
// definitions or in the working directory. There may be none.
func findMapping(flag string, dirs ...string) (mapping.Mapping, error) {
	if flag != "" {
		return mapping.Read(flag)
	}
	for _, dir := range append(dirs, ".") {
		file := filepath.Join(dir, mapping.File)
		if _, err := os.Stat(file); err == nil {
			return mapping.Read(file)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return mapping.Mapping{}, err
		}
	}
	return mapping.Mapping{}, nil
}

// sayErrors prints everything wrong with definitions.
func (p *program) sayErrors(errs definition.Errors) {
	for _, e := range errs {
		p.say("%s", clean(e.Error(), false))
	}
}

// sayWarnings prints what was ignored in definitions.
func (p *program) sayWarnings(defs []definition.Definition) {
	for _, d := range defs {
		for _, w := range d.Warnings {
			p.say("%s %s", p.paint("warning:", yellow), clean(w.Error(), false))
		}
	}
}

// simulatedHere returns a warning for each action of d that would not really
// run on this machine.
func simulatedHere(d definition.Definition) []definition.Error {
	var all []definition.Error
	for i, s := range d.Declaration.Stages {
		for j, a := range s.Actions {
			if local.Runs(a.TypeID) {
				continue
			}
			path := fmt.Sprintf("stages[%d].actions[%d]", i, j)
			line, column := d.Position(path)
			all = append(all, definition.Error{File: d.File, Line: line, Column: column, Path: path,
				Message: fmt.Sprintf("%s/%s (%s %s) would be simulated on this machine", s.Name, a.Name, a.TypeID.Category, a.TypeID.Provider)})
		}
	}
	return all
}

// unmapped returns an error for the first source action of d that nothing on
// this machine stands for.
func unmapped(d pipeline.Declaration, m mapping.Mapping) error {
	for _, s := range d.Stages {
		for _, a := range s.Actions {
			if a.TypeID.Category != pipeline.Source || !local.Runs(a.TypeID) || m.Sources[a.Name] != "" || a.TypeID.Provider == "S3" {
				continue
			}
			if _, err := m.Repository(a); err != nil {
				return &failure{exit: ExitUsage, err: err}
			}
		}
	}
	return nil
}

// logger returns the log of a system that runs in this process.
func (p *program) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(p.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
