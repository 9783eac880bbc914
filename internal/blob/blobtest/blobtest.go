// Package blobtest is the contract of package blob in executable form.
package blobtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/sluice-ci/sluice/internal/blob"
)

// A Tamper changes the stored bytes of an object behind the store's back. A
// change that returns nil removes the object.
type Tamper func(t *testing.T, ref blob.Ref, change func([]byte) []byte)

// Run runs every test of the contract. It calls open once per test; open
// returns an empty store and registers its own cleanup with t.
func Run(t *testing.T, open func(t *testing.T) (blob.Store, Tamper)) {
	tests := []struct {
		name string
		run  func(*testing.T, blob.Store, Tamper)
	}{
		{"CreateThenOpen", createThenOpen},
		{"CreateNeverReplaces", createNeverReplaces},
		{"OneConcurrentCreateWins", oneConcurrentCreateWins},
		{"HalfAnObjectIsNone", halfAnObjectIsNone},
		{"CancelledCreate", cancelledCreate},
		{"OpenMissing", openMissing},
		{"OpenVerifies", openVerifies},
		{"OpenVerifiesTheRef", openVerifiesTheRef},
		{"OpenObjectStaysWhatItWas", openObjectStaysWhatItWas},
		{"ObjectsAreApart", objectsAreApart},
		{"AdoptsWhatOthersWrote", adoptsWhatOthersWrote},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, tamper := open(t)
			tt.run(t, s, tamper)
		})
	}
}

func create(t *testing.T, s blob.Store, key string, content []byte) blob.Ref {
	t.Helper()
	ref, err := s.Create(t.Context(), "bucket", key, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// sizes of content, on both sides of what adapters may treat differently.
var sizes = []int{0, 1, 1000, 5 << 20}

func content(size int) []byte {
	return bytes.Repeat([]byte("0123456789abcdef"), size/16+1)[:size]
}

func createThenOpen(t *testing.T, s blob.Store, _ Tamper) {
	for _, size := range sizes {
		want := content(size)
		ref := create(t, s, fmt.Sprintf("a/b/%d.zip", size), want)
		digest := fmt.Sprintf("sha256:%x", sha256.Sum256(want))
		if ref != (blob.Ref{Bucket: "bucket", Key: ref.Key, Digest: digest, Size: int64(size)}) {
			t.Errorf("Ref is %+v; want digest %s and size %d", ref, digest, size)
		}
		o, err := s.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(o)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("read %d bytes, %v; want %d", len(got), err, size)
		}
		part := make([]byte, size/2)
		if _, err := o.ReadAt(part, int64(size-len(part))); err != nil && err != io.EOF || !bytes.Equal(part, want[size-len(part):]) {
			t.Errorf("ReadAt of the second half of %d bytes: %v", size, err)
		}
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
}

func createNeverReplaces(t *testing.T, s blob.Store, _ Tamper) {
	ref := create(t, s, "k", []byte("first"))
	for _, again := range []string{"second", "first"} {
		if _, err := s.Create(t.Context(), "bucket", "k", strings.NewReader(again)); !errors.Is(err, blob.ErrExists) {
			t.Errorf("Create of %s: %v; want ErrExists", again, err)
		}
	}
	want(t, s, ref, "first")
}

func want(t *testing.T, s blob.Store, ref blob.Ref, want string) {
	t.Helper()
	o, err := s.Open(t.Context(), ref)
	if err != nil {
		t.Error(err)
		return
	}
	defer o.Close()
	if got, err := io.ReadAll(o); err != nil || string(got) != want {
		t.Errorf("object is %.40q, %v; want %.40q", got, err, want)
	}
}

func oneConcurrentCreateWins(t *testing.T, s blob.Store, _ Tamper) {
	const n = 16
	for round := range 5 {
		refs, errs := make([]blob.Ref, n), make([]error, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				body := iotest.OneByteReader(strings.NewReader(strings.Repeat(fmt.Sprint(i%10), 100)))
				refs[i], errs[i] = s.Create(context.Background(), "bucket", fmt.Sprintf("new/%d/k", round), body)
			})
		}
		wg.Wait()
		winners := 0
		for i, err := range errs {
			if err == nil {
				winners++
				want(t, s, refs[i], strings.Repeat(fmt.Sprint(i%10), 100))
			} else if !errors.Is(err, blob.ErrExists) {
				t.Errorf("loser got %v; want ErrExists", err)
			}
		}
		if winners != 1 {
			t.Fatalf("round %d: %d winners; want 1", round, winners)
		}
	}
}

func halfAnObjectIsNone(t *testing.T, s blob.Store, _ Tamper) {
	boom := errors.New("boom")
	half := io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom))
	if _, err := s.Create(t.Context(), "bucket", "k", half); !errors.Is(err, boom) {
		t.Errorf("Create: %v; want boom", err)
	}
	want(t, s, create(t, s, "k", []byte("whole")), "whole")
}

func cancelledCreate(t *testing.T, s blob.Store, _ Tamper) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Create(ctx, "bucket", "k", strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v; want context.Canceled", err)
	}
	create(t, s, "k", []byte("x"))
}

func openMissing(t *testing.T, s blob.Store, tamper Tamper) {
	gone := create(t, s, "gone", []byte("x"))
	tamper(t, gone, func([]byte) []byte { return nil })
	create(t, s, "folder/k", []byte("x"))
	for _, ref := range []blob.Ref{gone, {Bucket: "bucket", Key: "never"}, {Bucket: "nowhere", Key: "k"}, {Bucket: "bucket", Key: "folder"}} {
		_, err := s.Open(t.Context(), ref)
		if !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), ref.Key) {
			t.Errorf("Open of %s/%s: %v; want ErrNotFound that names it", ref.Bucket, ref.Key, err)
		}
	}
}

// Every way to tamper is noticed before the first byte comes out.
func openVerifies(t *testing.T, s blob.Store, tamper Tamper) {
	ways := map[string]func([]byte) []byte{
		"first bit":  func(b []byte) []byte { b[0] ^= 1; return b },
		"last bit":   func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
		"middle":     func(b []byte) []byte { b[len(b)/2]++; return b },
		"truncated":  func(b []byte) []byte { return b[:len(b)-1] },
		"emptied":    func(b []byte) []byte { return b[:0] },
		"longer":     func(b []byte) []byte { return append(b, 0) },
		"other file": func(b []byte) []byte { return bytes.Repeat([]byte{'x'}, len(b)) },
	}
	for name, way := range ways {
		for _, size := range sizes[1:] {
			ref := create(t, s, fmt.Sprintf("%s/%d", name, size), content(size))
			tamper(t, ref, way)
			o, err := s.Open(t.Context(), ref)
			if !errors.Is(err, blob.ErrDigest) || !strings.Contains(err.Error(), ref.Key) {
				t.Errorf("%s, %d bytes: Open: %v; want ErrDigest that names the object", name, size, err)
			}
			if o != nil {
				t.Errorf("%s, %d bytes: an object was handed out", name, size)
			}
		}
	}
}

func openVerifiesTheRef(t *testing.T, s blob.Store, _ Tamper) {
	ref, other := create(t, s, "k", []byte("abc")), create(t, s, "other", []byte("xyz"))
	none, wrong, short := ref, ref, ref
	none.Digest, wrong.Digest, short.Size = "", other.Digest, 2
	for _, r := range []blob.Ref{none, wrong, short} {
		if _, err := s.Open(t.Context(), r); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("Open of %+v: %v; want ErrDigest", r, err)
		}
	}
}

// An object that was handed out does not change with the file.
func openObjectStaysWhatItWas(t *testing.T, s blob.Store, tamper Tamper) {
	for _, size := range sizes[1:] {
		ref := create(t, s, fmt.Sprint(size), content(size))
		o, err := s.Open(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		tamper(t, ref, func(b []byte) []byte { clear(b); return b })
		if got, err := io.ReadAll(o); err != nil || !bytes.Equal(got, content(size)) {
			t.Errorf("%d bytes changed under a reader (%v)", size, err)
		}
		o.Close()
	}
}

func objectsAreApart(t *testing.T, s blob.Store, _ Tamper) {
	a := create(t, s, "a/b", []byte("1"))
	b := create(t, s, "a/c", []byte("2"))
	c, err := s.Create(t.Context(), "bucket2", "a/b", strings.NewReader("3"))
	if err != nil {
		t.Fatal(err)
	}
	want(t, s, a, "1")
	want(t, s, b, "2")
	want(t, s, c, "3")
}

// What somebody else wrote is adopted as it is then, and can be opened as that
// only.
func adoptsWhatOthersWrote(t *testing.T, s blob.Store, tamper Tamper) {
	a, ok := s.(blob.Adopter)
	if !ok {
		t.Fatalf("%T is no blob.Adopter", s)
	}
	for _, size := range sizes {
		first := create(t, s, fmt.Sprint("a/b/", size), content(size))
		others := append(content(size), '!')
		tamper(t, first, func([]byte) []byte { return others })
		ref, err := a.Adopt(t.Context(), first.Bucket, first.Key)
		if want := (blob.Ref{Bucket: first.Bucket, Key: first.Key, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(others)), Size: int64(len(others))}); err != nil || ref != want {
			t.Errorf("Adopt of %d bytes: %+v, %v; want %+v", size, ref, err, want)
			continue
		}
		want(t, s, ref, string(others))
		tamper(t, ref, func([]byte) []byte { return content(size) })
		if _, err := s.Open(t.Context(), ref); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("Open of %d bytes that changed after they were adopted: %v; want ErrDigest", size, err)
		}
	}
	for _, ref := range []blob.Ref{{Bucket: "bucket", Key: "never"}, {Bucket: "nowhere", Key: "k"}, {Bucket: "bucket", Key: "a/b"}} {
		if _, err := a.Adopt(t.Context(), ref.Bucket, ref.Key); !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), ref.Key) {
			t.Errorf("Adopt of %s/%s: %v; want ErrNotFound that names it", ref.Bucket, ref.Key, err)
		}
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Adopt(cancelled, "bucket", "a/b/1000"); !errors.Is(err, context.Canceled) {
		t.Errorf("Adopt: %v; want context.Canceled", err)
	}
}
