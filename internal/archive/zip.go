package archive

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"
)

// epoch is the time of every entry: the first that a zip file can express.
var epoch = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Zip writes the files of dir to w as a zip file. Names are relative to dir
// and separated by slashes; order and repeats do not matter. A link is kept as
// a link and must lead to a place inside dir; of the mode of a file only the
// executable bit is kept. A folder gives an entry of its own and no more.
func Zip(w io.Writer, dir string, files []string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	defer root.Close()
	files = slices.Compact(slices.Sorted(slices.Values(files)))
	z := zip.NewWriter(w)
	for _, name := range files {
		if err := add(z, root, name); err != nil {
			return fmt.Errorf("zip: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	return nil
}

// ZipDir writes all of dir to w as Zip does, empty folders included.
func ZipDir(w io.Writer, dir string) error {
	var files []string
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || file == dir {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if within, err := os.ReadDir(file); err != nil || len(within) > 0 {
				return err
			}
		}
		files = append(files, filepath.ToSlash(name))
		return nil
	})
	if err != nil {
		return fmt.Errorf("zip: %w", err)
	}
	return Zip(w, dir, files)
}

func add(z *zip.Writer, root *os.Root, name string) error {
	if err := checkName(name, Limits{}.withDefaults().Depth); err != nil {
		return err
	}
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: epoch}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Name, h.Method = name+"/", zip.Store
		h.SetMode(fs.ModeDir | 0o755)
		_, err := z.CreateHeader(h)
		return err
	case fs.ModeSymlink:
		h.Method = zip.Store
		h.SetMode(fs.ModeSymlink | 0o777)
		return addLink(z, root, h)
	case 0:
		h.SetMode(0o644 | info.Mode()&0o111)
		return addFile(z, root, h)
	}
	return refuse(name, "is a %s, not a file", info.Mode().Type())
}

func addFile(z *zip.Writer, root *os.Root, h *zip.FileHeader) error {
	if h.Mode()&0o111 != 0 {
		h.SetMode(0o755)
	}
	f, err := root.Open(h.Name)
	if err != nil {
		return err
	}
	defer f.Close()
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, f)
	return err
}

// addLink asks the root where the link leads, since what lies in between may
// be links too. A link to nothing is judged by its text.
func addLink(z *zip.Writer, root *os.Root, h *zip.FileHeader) error {
	target, err := root.Readlink(h.Name)
	if err != nil {
		return err
	}
	target = filepath.ToSlash(target)
	if err := checkLink(h.Name, target, nil); err != nil {
		return err
	}
	if _, err := root.Stat(path.Clean(h.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return refuse(h.Name, "is a link to %.100q: %v", target, err)
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, target)
	return err
}
