package githttp_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sluice-ci/sluice/internal/action/aws/githttp"
)

// A pack is built from objects: kind, size as it is declared, what stands
// between the header and the content, and content. "^" between them stands for
// how far back the object before is.
type object struct {
	kind    byte
	size    int
	between string
	content string
}

func build(t testing.TB, n uint32, objects ...object) *os.File {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("PACK")
	binary.Write(&b, binary.BigEndian, []uint32{2, n})
	before := 0
	for _, o := range objects {
		begin := b.Len()
		first, size := o.kind<<4|byte(o.size&15), o.size>>4
		for ; size > 0; size >>= 7 {
			b.WriteByte(first | 0x80)
			first = byte(size & 0x7f)
		}
		b.WriteByte(first)
		if o.between == "^" {
			o.between = string(rune(begin - before)) // below 128
		}
		before = begin
		b.WriteString(o.between)
		z := zlib.NewWriter(&b)
		z.Write([]byte(o.content))
		z.Close()
	}
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	return f
}

// small are limits that a test notices.
var small = githttp.Limits{Pack: 1 << 20, Objects: 100, Object: 1 << 16, Entries: 100, Bytes: 1 << 20, Depth: 10}

func TestHostilePacks(t *testing.T) {
	whole := object{3, 3, "", "abc"}
	same := "\x03\x03\x90\x03"
	grow := "\x03\x80\x80\x04" + strings.Repeat("\x90\x03", 10) // 65536 bytes that it does not make
	tests := []struct {
		name    string
		n       uint32
		objects []object
		want    error
	}{
		{"nothing", 1, nil, githttp.ErrDamaged},
		{"more than it has", 2, []object{whole}, githttp.ErrDamaged},
		{"billions", 1 << 31, []object{whole}, githttp.ErrLimit},
		{"bomb", 1, []object{{3, 3, "", strings.Repeat("0", 10<<20)}}, githttp.ErrDamaged},
		{"honest bomb", 1, []object{{3, 10 << 20, "", strings.Repeat("0", 10<<20)}}, githttp.ErrLimit},
		{"impossible size", 1, []object{{3, 1 << 60, "", "abc"}}, githttp.ErrDamaged},
		{"too short", 1, []object{{3, 4, "", "abc"}}, githttp.ErrDamaged},
		{"kind 0", 1, []object{{0, 3, "", "abc"}}, githttp.ErrDamaged},
		{"kind 5", 1, []object{{5, 3, "", "abc"}}, githttp.ErrDamaged},
		{"stands on itself", 1, []object{{6, 3, "\x00", "abc"}}, githttp.ErrDamaged},
		{"stands on what is before all", 2, []object{whole, {6, 3, "\x7f", "abc"}}, githttp.ErrDamaged},
		{"difference that grows", 2, []object{whole, {6, len(grow), "^", grow}}, githttp.ErrDamaged},
	}
	chain := []object{whole}
	for range 5000 {
		chain = append(chain, object{6, len(same), "^", same})
	}
	tests = append(tests, struct {
		name    string
		n       uint32
		objects []object
		want    error
	}{"long chain", 5001, chain, githttp.ErrLimit})
	for _, tt := range tests {
		limits := small
		limits.Objects = max(limits.Objects, len(tt.objects))
		f := build(t, tt.n, tt.objects...)
		info, _ := f.Stat()
		if _, err := githttp.ReadPack(t.Context(), f, info.Size(), limits); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestPatch(t *testing.T) {
	base := "hello, world"
	tests := []struct {
		name, delta, want string
	}{
		{"copy", "\x0c\x05\x90\x05", "hello"},
		{"copy from within", "\x0c\x05\x91\x07\x05", "world"},
		{"insert", "\x0c\x03\x03abc", "abc"},
		{"both", "\x0c\x08\x90\x05\x03abc", "helloabc"},
		{"another base", "\x0b\x05\x90\x05", ""},
		{"beyond the base", "\x0c\x05\x91\x08\x05", ""},
		{"far beyond the base", "\x0c\x05\x9f\xff\xff\xff\xff\x05", ""},
		{"too much", "\x0c\x04\x90\x05", ""},
		{"too little", "\x0c\x06\x90\x05", ""},
		{"cut off in a copy", "\x0c\x05\x91", ""},
		{"cut off in an insert", "\x0c\x05\x05abc", ""},
		{"reserved", "\x0c\x05\x00\x90\x05", ""},
		{"no sizes", "", ""},
		{"endless size", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", ""},
		{"above the limit", "\x0c\xff\xff\x7f\x90\x05", ""},
	}
	for _, tt := range tests {
		got, err := githttp.Patch([]byte(base), []byte(tt.delta), 1000)
		if string(got) != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
}

// FuzzPack reads packs that nobody would send. The property is that it ends,
// within its limits.
func FuzzPack(f *testing.F) {
	seed, err := os.ReadFile(build(f, 3, object{1, 3, "", "abc"}, object{6, 4, "^", "\x03\x03\x90\x03"}, object{3, 0, "", ""}).Name())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.Write(text); err != nil {
			t.Fatal(err)
		}
		if pack, err := githttp.ReadPack(t.Context(), file, int64(len(text)), small); err == nil {
			_, _ = pack.Commit(githttp.ID{})
		}
	})
}
