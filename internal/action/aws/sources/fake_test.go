package sources_test

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codecommit"
	cc "github.com/aws/aws-sdk-go-v2/service/codecommit/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/sluice-ci/sluice/internal/action"
	"github.com/sluice-ci/sluice/internal/action/aws/awsfake"
	"github.com/sluice-ci/sluice/internal/action/aws/credentials"
	"github.com/sluice-ci/sluice/internal/action/aws/sources"
	"github.com/sluice-ci/sluice/internal/blob"
	"github.com/sluice-ci/sluice/internal/pipeline"
)

// A commit of the fake: files by path; "path*" is executable, "path -> target"
// a link, "path/" a submodule.
type commit struct {
	message string
	files   map[string]string
}

// codeCommit is a fake of one repository, web.
type codeCommit struct {
	awsfake.Knobs
	mu       sync.Mutex
	calls    []string // guarded by mu
	branches map[string]string
	commits  map[string]commit
}

func (f *codeCommit) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *codeCommit) GetBranch(_ context.Context, in *codecommit.GetBranchInput, _ ...func(*codecommit.Options)) (*codecommit.GetBranchOutput, error) {
	f.note("GetBranch " + *in.BranchName)
	return awsfake.Around(f.Knobs, "GetBranch", func() (*codecommit.GetBranchOutput, error) {
		if *in.RepositoryName != "web" {
			return nil, awsfake.Error("RepositoryDoesNotExistException")
		}
		id, ok := f.branches[*in.BranchName]
		if !ok {
			return nil, awsfake.Error("BranchDoesNotExistException")
		}
		return &codecommit.GetBranchOutput{Branch: &cc.BranchInfo{BranchName: in.BranchName, CommitId: &id}}, nil
	})
}

func (f *codeCommit) GetCommit(_ context.Context, in *codecommit.GetCommitInput, _ ...func(*codecommit.Options)) (*codecommit.GetCommitOutput, error) {
	f.note("GetCommit " + *in.CommitId)
	return awsfake.Around(f.Knobs, "GetCommit", func() (*codecommit.GetCommitOutput, error) {
		c, ok := f.commits[*in.CommitId]
		if !ok {
			return nil, awsfake.Error("CommitIdDoesNotExistException")
		}
		return &codecommit.GetCommitOutput{Commit: &cc.Commit{
			CommitId: in.CommitId, Message: &c.message,
			Author:    &cc.UserInfo{Name: aws.String("Ada"), Date: aws.String("1767225602 +0200")},
			Committer: &cc.UserInfo{Name: aws.String("Bob"), Date: aws.String("1767229202 -0800")},
		}}, nil
	})
}

func blobID(content string) *string {
	sum := sha1.Sum([]byte(content))
	return aws.String(hex.EncodeToString(sum[:]))
}

func (f *codeCommit) GetFolder(_ context.Context, in *codecommit.GetFolderInput, _ ...func(*codecommit.Options)) (*codecommit.GetFolderOutput, error) {
	f.note("GetFolder " + *in.FolderPath)
	return awsfake.Around(f.Knobs, "GetFolder", func() (*codecommit.GetFolderOutput, error) {
		out := &codecommit.GetFolderOutput{CommitId: in.CommitSpecifier, FolderPath: in.FolderPath}
		within := strings.TrimPrefix(*in.FolderPath+"/", "//")
		var folders []string
		for name, content := range f.commits[*in.CommitSpecifier].files {
			rest, ok := strings.CutPrefix(name, within)
			if !ok {
				continue
			}
			name, target, link := strings.Cut(rest, " -> ")
			if folder, _, deeper := strings.Cut(strings.TrimSuffix(name, "/"), "/"); deeper {
				if !slices.Contains(folders, folder) {
					folders = append(folders, folder)
				}
				continue
			}
			plain, executable := strings.CutSuffix(name, "*")
			switch {
			case strings.HasSuffix(name, "/"):
				out.SubModules = append(out.SubModules, cc.SubModule{RelativePath: &name})
			case link:
				out.SymbolicLinks = append(out.SymbolicLinks, cc.SymbolicLink{RelativePath: &name, BlobId: blobID(target)})
			case executable:
				out.Files = append(out.Files, cc.File{RelativePath: &plain, BlobId: blobID(content), FileMode: cc.FileModeTypeEnumExecutable})
			default:
				out.Files = append(out.Files, cc.File{RelativePath: &plain, BlobId: blobID(content), FileMode: cc.FileModeTypeEnumNormal})
			}
		}
		for _, folder := range folders {
			out.SubFolders = append(out.SubFolders, cc.Folder{RelativePath: &folder, AbsolutePath: aws.String(path.Join(within, folder))})
		}
		return out, nil
	})
}

func (f *codeCommit) GetBlob(_ context.Context, in *codecommit.GetBlobInput, _ ...func(*codecommit.Options)) (*codecommit.GetBlobOutput, error) {
	return awsfake.Around(f.Knobs, "GetBlob", func() (*codecommit.GetBlobOutput, error) {
		for _, c := range f.commits {
			for name, content := range c.files {
				if _, target, link := strings.Cut(name, " -> "); link {
					content = target
				}
				if *blobID(content) == *in.BlobId {
					return &codecommit.GetBlobOutput{Content: []byte(content)}, nil
				}
			}
		}
		return nil, awsfake.Error("BlobIdDoesNotExistException")
	})
}

// images is a fake of one ECR repository, app, with one image.
type images struct {
	awsfake.Knobs
	tags []string
}

var digest = "sha256:" + strings.Repeat("ab", 32)

func (f *images) DescribeImages(_ context.Context, in *ecr.DescribeImagesInput, _ ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error) {
	return awsfake.Around(f.Knobs, "DescribeImages", func() (*ecr.DescribeImagesOutput, error) {
		id := in.ImageIds[0]
		switch {
		case *in.RepositoryName != "app":
			return nil, awsfake.Error("RepositoryNotFoundException")
		case id.ImageDigest != nil && *id.ImageDigest != digest, id.ImageTag != nil && !slices.Contains(f.tags, *id.ImageTag):
			return nil, awsfake.Error("ImageNotFoundException")
		}
		return &ecr.DescribeImagesOutput{ImageDetails: []types.ImageDetail{{
			ImageDigest: &digest, ImageTags: f.tags, RegistryId: aws.String("111122223333"), RepositoryName: in.RepositoryName,
			ImageSizeInBytes: aws.Int64(44728918), ImagePushedAt: aws.Time(time.Date(2019, 1, 21, 20, 4, 0, 0, time.UTC)),
		}}}, nil
	})
}

// A world is all three services and the artifact bucket.
type world struct {
	git     codeCommit
	objects awsfake.S3
	images  images
	blobs   awsfake.S3
}

func newWorld() *world {
	w := &world{
		git: codeCommit{
			branches: map[string]string{"main": "c2"},
			commits: map[string]commit{
				"c1": {"One\n", map[string]string{"a": "1"}},
				"c2": {"Two\n\nmore\n", map[string]string{
					"a": "2", "bin/run*": "#!", "bin/link -> ../a": "", "deep/er/x": "x", "deep.txt": "d", "empty": "", "vendor/": "",
				}},
			},
		},
		images: images{tags: []string{"v1", "latest"}},
	}
	w.objects.Bucket("inbox", true)
	w.objects.Write("inbox", "app.zip", []byte("old"), nil)
	w.objects.Write("inbox", "app.zip", []byte("hello"), nil)
	w.objects.Write("inbox", "other.zip", []byte("other"), map[string]string{"codepipeline-artifact-revision-summary": "Release 7"})
	w.blobs.Bucket("b", false)
	return w
}

// open returns a new provider of the source that a test is about.
func (w *world) open(provider string) action.Provider {
	switch provider {
	case "CodeCommit":
		return sources.NewCodeCommit(credentials.Fixed[sources.CodeCommit](&w.git), &w.blobs)
	case "S3":
		return sources.NewS3(credentials.Fixed[sources.S3](&w.objects), &w.blobs)
	default:
		return sources.NewECR(credentials.Fixed[sources.ECR](&w.images), &w.blobs)
	}
}

// knobs returns the knobs of a provider's service.
func (w *world) knobs(provider string) *awsfake.Knobs {
	return map[string]*awsfake.Knobs{"CodeCommit": &w.git.Knobs, "S3": &w.objects.Knobs, "ECR": &w.images.Knobs}[provider]
}

// configurations of the three providers that succeed.
var configurations = map[string]map[string]string{
	"CodeCommit": {"RepositoryName": "web", "BranchName": "main"},
	"S3":         {"S3Bucket": "inbox", "S3ObjectKey": "app.zip"},
	"ECR":        {"RepositoryName": "app"},
}

// job returns a job of provider. Pairs of keys and values change its
// configuration.
func job(provider string, pairs ...string) action.Job {
	a := pipeline.Action{Name: "Source", TypeID: pipeline.ActionTypeID{Category: pipeline.Source, Owner: pipeline.AWS, Provider: provider, Version: "1"}, Configuration: map[string]string{}}
	for key, value := range configurations[provider] {
		a.Configuration[key] = value
	}
	for i := 0; i < len(pairs); i += 2 {
		a.Configuration[pairs[i]] = pairs[i+1]
	}
	return action.Job{ID: "j1", Action: a, Region: "eu-west-1", Account: "111122223333", Outputs: []action.Artifact{{Name: "Src", Ref: blob.Ref{Bucket: "b", Key: "p/Src/1"}}}}
}

func at(j action.Job, kind, value string) action.Job {
	j.Revision = action.Override{Type: kind, Value: value}
	return j
}

// of is j, pinned to a version of another key.
func of(j action.Job, version string) action.Job {
	j.Revision.ObjectVersion = version
	return j
}

// content returns what an artifact holds.
func (w *world) content(t *testing.T, ref blob.Ref) []byte {
	t.Helper()
	return w.blobs.Object(ref.Bucket, ref.Key).Content
}
