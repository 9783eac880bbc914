package definition

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// localFiles are settings of this machine that lie among definitions.
var localFiles = []string{"sluice.local.yaml", "sluice.local.yml"}

// ReadFile reads the pipeline in a file. A file that cannot be opened is an
// [Errors] too, so a caller has one kind of error to print.
func ReadFile(file string, opts Options) (Definition, error) {
	f, err := os.Open(file)
	if err != nil {
		return Definition{}, Errors{unreadable(file, err)}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1)) // the file may grow while it is read
	if err != nil {
		return Definition{}, Errors{unreadable(file, err)}
	}
	return Read(file, data, opts)
}

func unreadable(file string, err error) Error {
	if cause, ok := errors.AsType[*os.PathError](err); ok {
		err = cause.Err
	}
	return Error{File: file, Message: "cannot be read: " + err.Error()}
}

// ReadDir reads every .json, .yaml and .yml file of a folder, in the order of
// their names, and not what lies in folders inside it. Each of them has to be
// a pipeline, and no two may have one name. Hidden files and this machine's
// own settings are left out. With an error come the definitions that are well.
func ReadDir(dir string, opts Options) ([]Definition, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, Errors{unreadable(dir, err)}
	}
	var defs []Definition
	var errs Errors
	for _, entry := range entries {
		if entry.IsDir() || !isDefinition(entry.Name()) {
			continue
		}
		def, err := ReadFile(filepath.Join(dir, entry.Name()), opts)
		if bad, ok := errors.AsType[Errors](err); ok {
			errs = append(errs, bad...)
			continue
		}
		same := func(d Definition) bool { return d.Declaration.Name == def.Declaration.Name }
		if i := slices.IndexFunc(defs, same); i >= 0 {
			errs = append(errs, taken(def, defs[i]))
			continue
		}
		defs = append(defs, def)
	}
	if len(errs) > 0 {
		return defs, errs
	}
	return defs, nil
}

func taken(def, first Definition) Error {
	line, column := def.Position("name")
	return Error{File: def.File, Line: line, Column: column, Path: "name", Value: def.Declaration.Name,
		Message: fmt.Sprintf("the pipeline in %s has the same name", first.File), Fix: "rename one of the two"}
}

func isDefinition(name string) bool {
	if strings.HasPrefix(name, ".") || slices.Contains(localFiles, name) {
		return false
	}
	return slices.Contains([]string{".json", ".yaml", ".yml"}, filepath.Ext(name))
}
