// Package s3 is the provider of S3 sources and S3 deployments whose buckets
// are folders of this machine.
//
// An object is a file: p//file and p/file are the same one. A folder keeps
// neither versions nor metadata, so a version id is made from the content
// (see [mapping.VersionID]), and what CacheControl, CannedACL and
// KMSEncryptionKeyARN ask for is left undone and said in the summary.
//
// A deployment survives the death of the process: repeated, it comes to the
// same end. It does not wait until the disk has everything.
package s3

import (
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/whole"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/mapping"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// NewSource returns the provider of S3 sources. Buckets that m does not know
// are folders below data.
func NewSource(m mapping.Mapping, data string, blobs blob.Store) action.Provider {
	s := source{mapping: m, data: data, blobs: blobs}
	return whole.Provider(s.fetch)
}

type source struct {
	mapping mapping.Mapping
	data    string
	blobs   blob.Store
}

// fetch does a job.
func (s source) fetch(ctx context.Context, job action.Job) (action.Result, error) {
	a := job.Action
	if len(job.Outputs) != 1 {
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s declares %d output artifacts; a source has exactly one.", a.Name, len(job.Outputs))), nil
	}
	bucket, key := a.Configuration["S3Bucket"], a.Configuration["S3ObjectKey"]
	version := job.Revision.ObjectVersion // empty: the newest
	switch job.Revision.Type {
	case "":
	case "S3_OBJECT_VERSION_ID":
		version = job.Revision.Value
	case "S3_OBJECT_KEY":
		if a.Configuration["AllowOverrideForS3ObjectKey"] != "true" {
			return action.Fail(action.ConfigurationError, fmt.Sprintf("Action %s does not permit another object key; set AllowOverrideForS3ObjectKey to true.", a.Name)), nil
		}
		key = job.Revision.Value
	default:
		return action.Fail(action.ConfigurationError, fmt.Sprintf("Source action %s cannot take a revision of type %s; use S3_OBJECT_VERSION_ID or S3_OBJECT_KEY.", a.Name, job.Revision.Type)), nil
	}
	file, err := s.mapping.Object(a, key, s.data)
	if err != nil {
		return inaccessible(bucket, key, err.Error()), nil
	}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return inaccessible(bucket, key, "It would be the file "+file+"."), nil
	case err != nil:
		return inaccessible(bucket, key, err.Error()), nil
	case !info.Mode().IsRegular(): // a FIFO would block
		return inaccessible(bucket, key, file+" is not a file."), nil
	}
	var res action.Result
	err = whole.Scratch(func(scratch *os.File) error {
		obj, err := copyObject(ctx, scratch, file)
		if err != nil {
			return err
		}
		if version != "" && version != obj.version {
			res = action.Fail(action.RevisionUnavailable, fmt.Sprintf("Version %s of the Amazon S3 object %q is gone: a folder keeps only the newest, which is %s (%s).", version, bucket+"/"+key, obj.version, file))
			return nil
		}
		out, err := whole.Put(ctx, s.blobs, job.Outputs[0], scratch)
		if err != nil {
			return err
		}
		out.Revision = obj.version
		summary := "Amazon S3 version id: " + obj.version
		res = action.Result{
			Status:      pipeline.Succeeded,
			Summary:     summary,
			ExternalID:  obj.version,
			ExternalURL: fileURL(file),
			Variables:   map[string]string{"BucketName": bucket, "ETag": obj.etag, "ObjectKey": key, "VersionId": obj.version},
			Outputs:     []action.Artifact{out},
			Revision:    &action.Revision{ID: obj.version, Summary: summary, Created: info.ModTime().UTC()},
		}
		return nil
	})
	return res, err
}

// inaccessible is the failure of a source whose object cannot be had, in the
// service's words.
func inaccessible(bucket, key, why string) action.Result {
	return action.Fail(action.ConfigurationError, fmt.Sprintf("Could not access the Amazon S3 object: %q. Make sure that the names of the bucket and object are both correct. %s To use another folder for the bucket, write it under buckets in %s.", bucket+"/"+key, why, mapping.File))
}

// An object is what was copied of a file.
type object struct{ version, etag string }

// copyObject copies file to the beginning of scratch, so that the artifact and
// the ids speak of the same bytes even if the file changes meanwhile.
func copyObject(ctx context.Context, scratch *os.File, file string) (object, error) {
	f, err := os.Open(file)
	if err != nil {
		return object{}, err
	}
	defer f.Close()
	sum, etag := sha256.New(), md5.New() // S3's ETag of a plain object is its MD5
	if _, err := io.Copy(io.MultiWriter(scratch, sum, etag), reader{ctx, f}); err != nil {
		return object{}, fmt.Errorf("copy %s: %w", file, err)
	}
	_, err = scratch.Seek(0, io.SeekStart)
	return object{version: mapping.VersionID(hex.EncodeToString(sum.Sum(nil))), etag: hex.EncodeToString(etag.Sum(nil))}, err
}

// A reader fails once its context has ended.
type reader struct {
	ctx context.Context
	r   io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.r.Read(p)
}

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }
