// Package wholetest helps to test providers that do a job whole: objects in
// memory, and the properties all such providers share.
package wholetest

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/blob"
)

// Blobs is a blob.Store in memory. The zero value is empty.
type Blobs struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (b *Blobs) Create(_ context.Context, bucket, key string, r io.Reader) (blob.Ref, error) {
	content, err := io.ReadAll(r)
	if err != nil {
		return blob.Ref{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.objects[bucket+"/"+key]; ok {
		return blob.Ref{}, fmt.Errorf("%s/%s: %w", bucket, key, blob.ErrExists)
	}
	if b.objects == nil {
		b.objects = make(map[string][]byte)
	}
	b.objects[bucket+"/"+key] = content
	return blob.Ref{Bucket: bucket, Key: key, Digest: digest(content), Size: int64(len(content))}, nil
}

func (b *Blobs) Open(_ context.Context, ref blob.Ref) (blob.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	content, ok := b.objects[ref.Bucket+"/"+ref.Key]
	switch {
	case !ok:
		return nil, fmt.Errorf("%s/%s: %w", ref.Bucket, ref.Key, blob.ErrNotFound)
	case digest(content) != ref.Digest:
		return nil, fmt.Errorf("%s/%s: %w", ref.Bucket, ref.Key, blob.ErrDigest)
	}
	return object{bytes.NewReader(content)}, nil
}

// Put stores content as an artifact called name.
func (b *Blobs) Put(t testing.TB, name string, content []byte) action.Artifact {
	t.Helper()
	ref, err := b.Create(t.Context(), "artifacts", "in/"+name, bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return action.Artifact{Name: name, Ref: ref}
}

// Content returns the bytes of an object.
func (b *Blobs) Content(t testing.TB, ref blob.Ref) []byte {
	t.Helper()
	o, err := b.Open(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(o)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Files returns the files of an object that is a zip.
func (b *Blobs) Files(t testing.TB, ref blob.Ref) map[string]string {
	t.Helper()
	content := b.Content(t, ref)
	z, err := zip.NewReader(bytes.NewReader(content), int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

type object struct{ *bytes.Reader }

func (object) Close() error { return nil }

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Start starts a job and wants an end.
func Start(t testing.TB, p action.Provider, job action.Job) action.Result {
	t.Helper()
	res, err := p.Start(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if !res.Status.Final() {
		t.Fatalf("status %s; want an end", res.Status)
	}
	return res
}

// Repeat does a job as if the process had died after it: on a provider fresh
// from open, over the same objects. It wants the same end, Poll to know it,
// and Stop to do no harm.
func Repeat(t testing.TB, open func() action.Provider, job action.Job, want action.Result) {
	t.Helper()
	p := open()
	if got, err := p.Poll(t.Context(), job); err != nil || got.Status != action.Lost {
		t.Errorf("poll in a new process: %+v, %v; want Lost", got, err)
	}
	for _, verb := range []struct {
		name string
		call func(context.Context, action.Job) (action.Result, error)
	}{{"start", p.Start}, {"start", p.Start}, {"poll", p.Poll}} {
		got, err := verb.call(t.Context(), job)
		if err != nil {
			t.Fatalf("%s again: %v", verb.name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s again: %s", verb.name, diff)
		}
	}
	if err := p.Stop(t.Context(), job); err != nil {
		t.Errorf("stop after the end: %v", err)
	}
	if got, err := p.Poll(t.Context(), job); err != nil || !cmp.Equal(want, got) {
		t.Errorf("poll after stop: %+v, %v", got, err)
	}
}
