package archive_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/archive"
)

// An entry of an archive made for a test. Its header says whatever we like.
type entry struct {
	name  string
	body  string
	mode  fs.FileMode // 0: a file
	tweak func(*zip.FileHeader)
}

func file(name string) entry   { return entry{name: name, body: "pwned"} }
func folder(name string) entry { return entry{name: name, mode: fs.ModeDir | 0o755} }
func link(name, target string) entry {
	return entry{name: name, body: target, mode: fs.ModeSymlink | 0o777}
}
func odd(name string, m fs.FileMode) entry { return entry{name: name, mode: m | 0o644} }

// pack makes a zip file of stored entries.
func pack(entries ...entry) []byte {
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, e := range entries {
		if strings.HasSuffix(e.name, "/") {
			e.body = "" // the writer insists
		}
		h := &zip.FileHeader{
			Name: e.name, CRC32: crc32.ChecksumIEEE([]byte(e.body)),
			CompressedSize64: uint64(len(e.body)), UncompressedSize64: uint64(len(e.body)),
		}
		h.SetMode(max(e.mode, 0o644))
		if e.tweak != nil {
			e.tweak(h)
		}
		w, err := z.CreateRaw(h)
		if err == nil {
			_, err = w.Write([]byte(e.body))
		}
		if err != nil {
			panic(err)
		}
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// deflated makes a zip file of one entry with n zeros, packed well.
func deflated(name string, n int, tweak func(*zip.FileHeader)) []byte {
	var inner bytes.Buffer
	z := zip.NewWriter(&inner)
	w, _ := z.Create(name)
	w.Write(make([]byte, n))
	z.Close()
	r, err := zip.NewReader(bytes.NewReader(inner.Bytes()), int64(inner.Len()))
	if err != nil {
		panic(err)
	}
	var buf bytes.Buffer
	z = zip.NewWriter(&buf)
	h := r.File[0].FileHeader
	h.Flags &^= 8 // sizes are in the header in front too
	if tweak != nil {
		tweak(&h)
	}
	raw, _ := r.File[0].OpenRaw()
	rw, _ := z.CreateRaw(&h)
	bytes.NewBuffer(nil).ReadFrom(raw)
	raw, _ = r.File[0].OpenRaw()
	b := new(bytes.Buffer)
	b.ReadFrom(raw)
	rw.Write(b.Bytes())
	z.Close()
	return buf.Bytes()
}

// patch changes the directory entry with the given number.
func patch(b []byte, entry int, change func(header []byte)) []byte {
	at := -1
	for range entry + 1 {
		at += 1 + bytes.Index(b[at+1:], []byte("PK\x01\x02"))
	}
	change(b[at:])
	return b
}

func many(n int) []byte {
	entries := make([]entry, n)
	for i := range entries {
		entries[i] = file(fmt.Sprint(i))
	}
	return pack(entries...)
}

// shared is a bomb whose second entry points at the content of the first.
func shared() []byte {
	b := pack(file("one"), file("two"))
	return patch(b, 1, func(h []byte) { binary.LittleEndian.PutUint32(h[42:], 0) })
}

type hostile struct {
	name   string
	zip    []byte
	limits archive.Limits
	want   string // in the error
}

func hostiles() []hostile {
	var all []hostile
	add := func(name, want string, b []byte) { all = append(all, hostile{name: name, zip: b, want: want}) }
	limited := func(name, want string, l archive.Limits, b []byte) {
		all = append(all, hostile{name, b, l, want})
	}
	// Names.
	names := map[string]string{
		"../x": "leads out", "a/../../x": "leads out", "..": "leads out", "a/..": "leads out", "../../../../../../../../tmp/x": "leads out",
		"a/../x": "leads out", "/x": "absolute", "//x": "absolute", "/etc/passwd": "absolute", "///": "absolute", "/": "no name",
		`..\x`: "backslash", `a\..\..\x`: "backslash", `\x`: "backslash", `\\host\share\x`: "backslash", `C:\x`: "backslash", `a\b`: "backslash",
		"C:x": "drive", "c:/x": "drive", "x\x00y": "control", "../x\x00.txt": "control", "a\nb": "control", "\x1b[31m": "control", "a\x7f": "control",
		"": "no name", ".": `part "."`, "./x": `part "."`, "a/./x": `part "."`, "a//x": `part ""`, "a/": "", "\xff\xfe": "UTF-8", "a/\xc0\xae\xc0\xae/x": "UTF-8",
		strings.Repeat("n", 256):              "more than 255",
		strings.Repeat("d/", 64) + "x":        "folders deep",
		strings.Repeat("0123456/", 130) + "x": "more than 1024",
	}
	for name, want := range names {
		if want != "" {
			add(fmt.Sprintf("file %.40q", name), want, pack(file("good"), file(name)))
		}
	}
	for _, name := range []string{"../", "a/../../", "/abs/", "C:/", "a//"} {
		add(fmt.Sprintf("folder %q", name), "", pack(folder(name)))
	}
	// Links.
	targets := map[string]string{
		"../x": "leads out", "..": "leads out", "/etc/passwd": "absolute", "/": "absolute", "a/../../x": "leads out", "./../x": "leads out",
		`..\x`: "odd path", "C:/x": "absolute", "x\x00": "odd path", "": "0 bytes", "\xff": "odd path", strings.Repeat("a", 5000): "5000 bytes",
	}
	for target, want := range targets {
		add(fmt.Sprintf("link to %.20q", target), want, pack(link("l", target)))
		add(fmt.Sprintf("deep link to %.20q", "../../"+target), "", pack(link("d/l", "../../"+target)))
	}
	add("link, then a file through it", "below", pack(link("l", "."), file("l/x")))
	add("file through a link that comes later", "twice", pack(file("l/x"), link("l", ".")))
	add("link to a link that leads out", "leads out", pack(link("a/b/l", ".."), link("m", "a/b/l/../../x")))
	add("link through a link that climbs", "leads out", pack(folder("d/"), link("d/l", ".."), link("x", "d/l/..")))
	add("link through two", "leads out", pack(link("d/e/l", "../.."), link("k", "d/e/l"), link("x", "k/../y")))
	add("round in circles", "circles", pack(link("a", "b"), link("b", "a")))
	add("link to itself", "circles", pack(link("a", "a")))
	add("link grows", "circles", pack(link("a", "a/x")))
	add("link, then a folder of its name", "twice", pack(link("l", "."), folder("l/")))
	add("link twice", "twice", pack(link("l", "x"), link("l", "y")))
	// Types.
	for m, name := range map[fs.FileMode]string{
		fs.ModeDevice: "device", fs.ModeDevice | fs.ModeCharDevice: "character device", fs.ModeNamedPipe: "pipe", fs.ModeSocket: "socket",
	} {
		add(name, "of type", pack(odd(name, m)))
	}
	add("folder mode without slash", "not by both", pack(entry{name: "d", mode: fs.ModeDir | 0o755}))
	add("folder with content", "content", patch(pack(entry{name: "d!", body: "x", mode: fs.ModeDir | 0o755}), 0, func(h []byte) { h[47] = '/' }))
	add("encrypted", "encrypted", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.Flags |= 1 }}))
	add("unknown method", "method 99", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.Method = 99 }}))
	// Clashes.
	add("file twice", "twice", pack(file("x"), file("x")))
	add("folder twice", "twice", pack(folder("x/"), folder("x/")))
	add("file, then folder", "twice", pack(file("x"), folder("x/")))
	add("folder, then file", "twice", pack(folder("x/"), file("x")))
	add("file below a file", "below", pack(file("x"), file("x/y")))
	add("file below a file, deep", "below", pack(file("a/x"), file("a/x/b/c/y")))
	add("file where a folder is implied", "twice", pack(file("x/y"), file("x")))
	limited("case", "case only", archive.Limits{FoldCase: true}, pack(file("README"), file("readme")))
	limited("case of folders", "case only", archive.Limits{FoldCase: true}, pack(file("A/x"), file("a/y")))
	limited("case beyond ASCII", "case only", archive.Limits{FoldCase: true}, pack(file("ÄRGER"), file("ärger")))
	// Sizes.
	limited("too many bytes", "more than 8", archive.Limits{Bytes: 8}, pack(file("a"), file("b")))
	limited("too large", "more than 4", archive.Limits{EntryBytes: 4}, pack(file("a")))
	limited("too deep", "folders deep", archive.Limits{Depth: 3}, pack(file("a/b/c/d")))
	limited("too many entries", "more than 10 entries", archive.Limits{Entries: 10}, many(11))
	limited("far too many entries", "more than 10 entries", archive.Limits{Entries: 10}, many(20_000))
	add("ratio", "times its size", deflated("zeros", 20<<20, nil))
	limited("says it is small", "", archive.Limits{Bytes: 1 << 20}, deflated("zeros", 20<<20, func(h *zip.FileHeader) { h.UncompressedSize64 = 10 }))
	limited("says it is small, ratio", "", archive.Limits{Ratio: 2}, deflated("zeros", 20<<20, func(h *zip.FileHeader) { h.UncompressedSize64 = 10 }))
	add("says it is huge", "bytes, more than", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.UncompressedSize64 = 1 << 62 }}))
	add("says it is larger than a number", "bytes, more than", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.UncompressedSize64 = 1<<64 - 1 }}))
	add("says it is longer", "", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.UncompressedSize64 = 2 }}))
	add("shared content", "shares", shared())
	// Damage.
	add("bad checksum", "damaged", pack(entry{name: "x", body: "x", tweak: func(h *zip.FileHeader) { h.CRC32++ }}))
	whole := pack(file("a"), file("b"))
	for _, n := range []int{0, 1, 10, len(whole) / 2, len(whole) - 1, len(whole) - 22} {
		add(fmt.Sprintf("cut at %d of %d", n, len(whole)), "", whole[:n])
	}
	add("no archive", "", []byte(strings.Repeat("hello ", 100)))
	add("content beyond the end", "", patch(pack(file("x")), 0, func(h []byte) { binary.LittleEndian.PutUint32(h[42:], 1<<30) }))
	add("directory beyond the end", "", func() []byte {
		b := pack(file("x"))
		binary.LittleEndian.PutUint32(b[len(b)-6:], 1<<30)
		return b
	}())
	add("compressed beyond the end", "", patch(pack(file("x")), 0, func(h []byte) { binary.LittleEndian.PutUint32(h[20:], 1<<30) }))
	add("damaged deflate", "damaged", patchData(deflated("x", 1000, nil)))
	return all
}

// patchData spoils the content of the first entry.
func patchData(b []byte) []byte {
	for i := 33; i < 38; i++ {
		b[i] ^= 0xff
	}
	return b
}

// tree describes all below folder but skip: paths, modes, contents, targets.
func tree(t testing.TB, folder, skip string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if path == skip {
			return filepath.SkipDir
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		switch info.Mode().Type() {
		case 0:
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			what += fmt.Sprintf(" %x", sha256.Sum256(b))
		case fs.ModeSymlink:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			what += " " + target
		}
		name, _ := filepath.Rel(folder, path)
		got[name] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// unzip unpacks b into a new folder that has neighbours, and checks that they
// stay what they were and that nothing in the folder leads out of it.
func unzip(t testing.TB, b []byte, limits archive.Limits) (string, error) {
	t.Helper()
	outer := t.TempDir()
	root := filepath.Join(outer, "a", "root")
	err := errors.Join(
		os.MkdirAll(root, 0o755),
		os.WriteFile(filepath.Join(outer, "x"), []byte("canary"), 0o644),
		os.WriteFile(filepath.Join(outer, "a", "x"), []byte("canary"), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	before := tree(t, outer, root)
	start := time.Now()
	err = archive.Unzip(t.Context(), bytes.NewReader(b), int64(len(b)), root, limits)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v; want at most 5s", took)
	}
	if diff := cmp.Diff(before, tree(t, outer, root)); diff != "" {
		t.Errorf("changed outside (-before +after):\n%s", diff)
	}
	for name, what := range tree(t, root, "") {
		switch what[0] {
		case 'd', '-':
		case 'L':
			if to, err := filepath.EvalSymlinks(filepath.Join(root, name)); err == nil && to != root && !strings.HasPrefix(to, root+"/") {
				t.Errorf("link %s leads to %s", name, to)
			}
		default:
			t.Errorf("%s is %s", name, what)
		}
	}
	return root, err
}

func TestNothingOutside(t *testing.T) {
	all := hostiles()
	if len(all) < 100 {
		t.Errorf("%d archives; want at least 100", len(all))
	}
	for _, tt := range all {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := unzip(t, tt.zip, tt.limits)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Unzip: %v; want an error with %q", err, tt.want)
			}
			if e, ok := errors.AsType[*archive.EntryError](err); ok && (e.Reason == "" || !strings.Contains(err.Error(), fmt.Sprintf("%.200q", e.Name))) {
				t.Errorf("error %q names no entry or no reason", err)
			}
		})
	}
}

// FuzzUnzip starts from the hostile archives and from good ones.
func FuzzUnzip(f *testing.F) {
	for _, h := range hostiles() {
		if len(h.zip) < 4096 {
			f.Add(h.zip)
		}
	}
	f.Add(pack(folder("d/"), file("d/x"), link("d/l", "x"), link("m", "d/l")))
	f.Fuzz(func(t *testing.T, b []byte) {
		unzip(t, b, archive.Limits{Bytes: 1 << 20, Entries: 100})
	})
}
