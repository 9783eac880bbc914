// Package archive packs and unpacks artifacts as zip files.
//
// Packing is deterministic: equal trees give equal bytes. Unpacking trusts
// nothing in the archive. It looks at all entries before it writes the first
// byte, writes through os.Root, creates links last so that nothing is written
// through them, and counts what comes out instead of believing the header.
// What it refuses, and why, is in the error.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	NothingOutside  No archive changes anything outside the folder, or leaves
//	                a link in it that leads outside.
//	RoundTrip       What Zip packs, Unzip restores, executable bits included.
package archive

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// An EntryError says why an entry of an archive was refused.
type EntryError struct {
	Name   string
	Reason string
}

func (e *EntryError) Error() string { return fmt.Sprintf("archive entry %.200q %s", e.Name, e.Reason) }

func refuse(name, format string, args ...any) error {
	return &EntryError{name, fmt.Sprintf(format, args...)}
}

// Limits of an archive. A field that is zero has the default.
type Limits struct {
	Bytes      int64 // unpacked, all entries; default 4 GiB
	EntryBytes int64 // unpacked, one entry; default 2 GiB
	Entries    int   // default 100,000
	Ratio      int64 // of all unpacked bytes to the archive's, beyond the first MiB; default 250
	Depth      int   // parts of a path; default 64
	FoldCase   bool  // refuse names that differ in case only
}

func (l Limits) withDefaults() Limits {
	for _, x := range []struct {
		field *int64
		value int64
	}{{&l.Bytes, 4 << 30}, {&l.EntryBytes, 2 << 30}, {&l.Ratio, 250}} {
		if *x.field == 0 {
			*x.field = x.value
		}
	}
	if l.Entries == 0 {
		l.Entries = 100_000
	}
	if l.Depth == 0 {
		l.Depth = 64
	}
	return l
}

// checkName returns why name, without the slash that ends a folder's, is no
// name of an entry, or nil. It is as strict on one system as on another.
func checkName(name string, depth int) error {
	switch {
	case name == "":
		return refuse(name, "has no name")
	case len(name) > 1024:
		return refuse(name, "has a name of %d bytes, more than 1024", len(name))
	case !utf8.ValidString(name):
		return refuse(name, "has a name that is not UTF-8")
	case strings.HasPrefix(name, "/"):
		return refuse(name, "has an absolute path")
	case strings.Contains(name, `\`):
		return refuse(name, "has a backslash in its name")
	case len(name) > 1 && name[1] == ':':
		return refuse(name, "names a drive")
	case strings.ContainsFunc(name, unicode.IsControl):
		return refuse(name, "has a control character in its name")
	}
	parts := strings.Split(name, "/")
	if len(parts) > depth {
		return refuse(name, "lies %d folders deep, more than %d", len(parts), depth)
	}
	for _, part := range parts {
		switch {
		case part == "..":
			return refuse(name, "leads out of the folder")
		case part == "" || part == ".":
			return refuse(name, "has the part %q in its path", part)
		case len(part) > 255:
			return refuse(name, "has a part of %d bytes in its path, more than 255", len(part))
		}
	}
	return nil
}

// maxHops is how many links the resolution of one may go through, as on Linux.
const maxHops = 40

// checkLink returns why the link at name must not point to target, or nil. It
// walks the path as the system would, through the other links of the archive:
// looking at the text alone would miss a link that climbs out of another.
func checkLink(name, target string, links map[string]string) error {
	switch {
	case target == "" || len(target) > 4096:
		return refuse(name, "is a link to a path of %d bytes", len(target))
	case !utf8.ValidString(target) || strings.ContainsFunc(target, unicode.IsControl) || strings.Contains(target, `\`):
		return refuse(name, "is a link to the odd path %.100q", target)
	case strings.HasPrefix(target, "/") || len(target) > 1 && target[1] == ':':
		return refuse(name, "is a link to the absolute path %.100q", target)
	}
	at := strings.Split(name, "/")
	at = at[:len(at)-1]
	rest, hops := strings.Split(target, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch {
		case part == "" || part == ".":
		case part == ".." && len(at) == 0:
			return refuse(name, "is a link that leads out of the folder, to %.100q", target)
		case part == "..":
			at = at[:len(at)-1]
		default:
			at = append(at[:len(at):len(at)], part)
			next, ok := links[strings.Join(at, "/")]
			if !ok {
				continue
			}
			if hops++; hops > maxHops {
				return refuse(name, "is a link that goes round in circles")
			}
			if strings.HasPrefix(next, "/") {
				return refuse(name, "is a link to a link to the absolute path %.100q", next)
			}
			at, rest = at[:len(at)-1], append(strings.Split(next, "/"), rest...)
		}
	}
	return nil
}
