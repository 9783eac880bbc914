package sources

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"strings"
	"time"
)

// What is packed here is as package git packs it on a laptop: files as they
// were committed, executable bits and symbolic links kept, no enclosing folder,
// nothing for a submodule, and no time or order but the commit's.

// errUnsafe says that a tree holds a path that may not be part of an archive.
// Git writes none, but a tree can be made by hand.
var errUnsafe = errors.New("a path that may not be unpacked")

// safe reports whether a path may be part of an archive.
func safe(path string) bool {
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

// stamp is the time of every entry of an archive: zip's first day.
var stamp = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// zipped returns a zip that holds one file.
func zipped(name string, text []byte) ([]byte, error) {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	if err := add(z, name, 0o644, bytes.NewReader(text), int64(len(text))); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// add adds a file, or a link to what content says, of size bytes.
func add(z *zip.Writer, name string, mode fs.FileMode, content io.Reader, size int64) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: stamp}
	h.SetMode(mode)
	if mode&fs.ModeSymlink != 0 || size == 0 {
		h.Method = zip.Store
	}
	w, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	n, err := io.Copy(w, content)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	return err
}
