package process

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMasker(t *testing.T) {
	m := NewMasker([]string{"s3cret/pässwörd+1&", "abcdef", "defghi", "short", "line one\nline two\n", "aaaaaa", ""})
	quoted, _ := json.Marshal("s3cret/pässwörd+1&")
	tests := []struct{ name, in, want string }{
		{"nothing", "hello world", "hello world"},
		{"plain", "x s3cret/pässwörd+1& y", "x *** y"},
		{"twice", "abcdef,abcdef", "***,***"},
		{"side by side", "abcdefabcdef", "******"},
		{"overlapping", "abcdefghi!", "***!"},
		{"almost", "abcde abcdeg", "abcde abcdeg"},
		{"too short to mask", "short", "short"},
		{"base64", base64.StdEncoding.EncodeToString([]byte("s3cret/pässwörd+1&")), "***"},
		{"hex", hex.EncodeToString([]byte("s3cret/pässwörd+1&")), "***"},
		{"HEX", strings.ToUpper(hex.EncodeToString([]byte("s3cret/pässwörd+1&"))), "***"},
		{"query", "?p=" + url.QueryEscape("s3cret/pässwörd+1&"), "?p=***"},
		{"path", "/" + url.PathEscape("s3cret/pässwörd+1&"), "/***"},
		{"lower-case escapes", strings.ReplaceAll(url.QueryEscape("s3cret/pässwörd+1&"), "%C3%A4", "%c3%a4"), "s3cret%2Fp%c3%a4ssw%C3%B6rd%2B1%26"},
		{"all lower-case escapes", lowerEscapes(url.QueryEscape("s3cret/pässwörd+1&")), "***"},
		{"JSON", string(quoted), `"***"`},
		{"whole and by line", "line one\nline two\nline two", "***\n***"},
		{"run of one letter", strings.Repeat("a", 20), "***"},
		{"NUL and invalid UTF-8", "\x00\xffabcdef\xfe", "\x00\xff***\xfe"},
	}
	for _, tt := range tests {
		if got := m.String(tt.in); got != tt.want {
			t.Errorf("%s: %q; want %q", tt.name, got, tt.want)
		}
	}
	if NewMasker([]string{"tiny", ""}) != nil {
		t.Error("a masker without secrets is not nil")
	}
	if got := (*Masker)(nil).String("abc"); got != "abc" {
		t.Errorf("nil masker: %q", got)
	}
}

// In base64 a secret looks different depending on what precedes it.
func TestMaskerBase64Offsets(t *testing.T) {
	secret := "correct horse"
	m := NewMasker([]string{secret})
	for before := range 9 {
		for after := range 4 {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("<", before) + secret + strings.Repeat(">", after)))
			got := m.String(text)
			if !strings.Contains(got, mask) {
				t.Errorf("%d before, %d after: %s is not masked", before, after, text)
			}
			// What is left must not be enough to read more than a byte of it.
			if rest := len(strings.ReplaceAll(got, mask, "")); rest > (before+2)/3*4+(after+2)/3*4+4 {
				t.Errorf("%d before, %d after: %s leaves %s", before, after, text, got)
			}
		}
	}
}

// reference masks the simple way: every byte that belongs to the longest
// match at some position is covered.
func reference(m *Masker, text []byte) []byte {
	var out []byte
	end := 0
	for i := range text {
		n, _ := m.longest(text[i:])
		if n > 0 && i >= end {
			out = append(out, mask...)
		}
		if n > 0 {
			end = max(end, i+n)
		}
		if i >= end {
			out = append(out, text[i])
		}
	}
	return out
}

func maskCut(m *Masker, text []byte, cuts ...int) []byte {
	s, out, from := stream{m: m}, []byte(nil), 0
	for _, cut := range cuts {
		out = s.write(out, text[from:cut])
		from = cut
	}
	return s.flush(s.write(out, text[from:]))
}

// TestSecretsNeverOnDisk cuts a text at every place, and at every two places.
func TestSecretsNeverOnDisk(t *testing.T) {
	m := NewMasker([]string{"abcabcabd", "bcabcab", "hunter22", "aaaaaaa"})
	text := []byte("x abcabcabcabd hunter2 hunter22 aaaaaaaaaaaaaaaaab " + base64.StdEncoding.EncodeToString([]byte("__hunter22!")) + " bcabca abcabcab")
	want := reference(m, text)
	for i := range len(text) + 1 {
		for j := i; j <= len(text); j++ {
			if got := maskCut(m, text, i, j); !bytes.Equal(got, want) {
				t.Fatalf("cut at %d and %d:\n%s\nwant\n%s", i, j, got, want)
			}
		}
	}
	all := make([]int, len(text))
	for i := range all {
		all[i] = i
	}
	if got := maskCut(m, text, all...); !bytes.Equal(got, want) {
		t.Errorf("byte by byte:\n%s\nwant\n%s", got, want)
	}
	file := filepath.Join(t.TempDir(), "log")
	log, err := CreateLog(file, LogOptions{Masker: m})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range text {
		log.Write([]byte{b})
	}
	log.Close()
	if got, _ := os.ReadFile(file); !bytes.Equal(got, want) {
		t.Errorf("on disk:\n%s\nwant\n%s", got, want)
	}
}

func FuzzMasker(f *testing.F) {
	f.Add("hunter22", "xhunter22x hunter2hunter22", uint64(1))
	f.Add("aaaaaa", "aaaaaaaaaaaaaaaaaaaaaaaaaaaab", uint64(2))
	f.Add("ab\nabcdefg\n", "abcdefg\nab\nabcdefg", uint64(3))
	f.Fuzz(func(t *testing.T, secret, text string, seed uint64) {
		m := NewMasker([]string{secret, secret + "tail"})
		if m == nil {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for i := range len(text) {
			if rng.IntN(3) == 0 {
				cuts = append(cuts, i)
			}
		}
		got, want := maskCut(m, []byte(text), cuts...), reference(m, []byte(text))
		if !bytes.Equal(got, want) {
			t.Errorf("%q cut at %v: %q; want %q", text, cuts, got, want)
		}
		if s := strings.TrimRight(secret, "\r\n"); len(s) >= MinSecret && !strings.Contains(mask+mask, s) &&
			!strings.Contains(s, "*") && bytes.Contains(got, []byte(s)) {
			t.Errorf("%q is still in %q", s, got)
		}
	})
}

func TestLogCap(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, err := CreateLog(file, LogOptions{Cap: 10})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if n, err := log.Write([]byte("four")); n != 4 || err != nil {
			t.Errorf("Write: %d, %v; a full log is no error", n, err)
		}
	}
	log.Close()
	got, _ := os.ReadFile(file)
	want := "fourfourfo\n[Sluice] the log is full: no more than 10 bytes are kept\n[Sluice] 10 more bytes were not kept\n"
	if string(got) != want {
		t.Errorf("log = %q; want %q", got, want)
	}
}

func TestLogBreaksLongLines(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	for _, piece := range []int{1000, 32 << 10, 200 << 10} {
		log, err := CreateLog(file, LogOptions{})
		if err != nil {
			t.Fatal(err)
		}
		text := bytes.Repeat([]byte{'\xff'}, 200<<10)
		for rest := text; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			log.Write(rest[:min(piece, len(rest))])
		}
		log.Write([]byte("\nshort\n"))
		log.Close()
		got, _ := os.ReadFile(file)
		os.Remove(file)
		lines := strings.Split(string(got), "\n")
		if len(lines) != 6 || len(lines[0]) != maxLine || len(lines[3]) != 200<<10-3*maxLine || lines[4] != "short" {
			t.Errorf("pieces of %d: %d lines, the first %d bytes long", piece, len(lines), len(lines[0]))
		}
		if !bytes.Equal(bytes.ReplaceAll(got, []byte("\n"), nil), append(text, "short"...)) {
			t.Errorf("pieces of %d: bytes were lost", piece)
		}
	}
}

func TestEnvironment(t *testing.T) {
	host := []string{
		"PATH=/bin", "HOME=/home/u", "LC_ALL=C", "AWS_SECRET_ACCESS_KEY=x", "AWS_PROFILE=prod", "GITHUB_TOKEN=x",
		"GOPROXY=direct", "npm_config_registry=r", "SLUICE_ACTION=outer:1", "no equals sign",
	}
	got := strings.Join(Environment(host, nil), " ")
	want := "PATH=/bin HOME=/home/u LC_ALL=C GOPROXY=direct npm_config_registry=r " +
		"AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null AWS_EC2_METADATA_DISABLED=true TERM=dumb"
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got = strings.Join(Environment(host, []string{"AWS_PROFILE"}), " ")
	if !strings.Contains(got, "AWS_PROFILE=prod") || strings.Contains(got, "AWS_CONFIG_FILE") || strings.Contains(got, "AWS_SECRET") {
		t.Errorf("with AWS_PROFILE passed: %s", got)
	}
}

// A log that is created later has everything in order, masked.
func TestLogLater(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	log, err := CreateLog(file, LogOptions{Later: true, Now: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	log.Printf("first hunter22")
	log.Mask(NewMasker([]string{"hunter22"}))
	if _, err := os.Stat(file); err == nil {
		t.Error("there is a file before anything was put out")
	}
	log.Write([]byte("output hunter22\n"))
	log.Printf("last")
	log.Close()
	got, _ := os.ReadFile(file)
	want := "[Container] 1970/01/01 00:00:00.000000 first ***\noutput ***\n[Container] 1970/01/01 00:00:00.000000 last\n"
	if string(got) != want {
		t.Errorf("%q; want %q", got, want)
	}
}
