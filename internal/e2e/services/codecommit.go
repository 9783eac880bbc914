package services

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// CodeCommit serves the git repositories that are the folders below a folder.
type CodeCommit struct {
	service
	folder string
}

// NewCodeCommit returns a CodeCommit whose repositories lie in folder, each in
// a folder of its name.
func NewCodeCommit(folder string) *CodeCommit {
	c := &CodeCommit{folder: folder}
	c.service = service{prefix: "CodeCommit_20150413", operations: map[string]operation{
		"GetBranch": with(c.getBranch), "GetCommit": with(c.getCommit),
		"GetFolder": with(c.getFolder), "GetBlob": with(c.getBlob),
	}}
	return c
}

type getBranch struct{ RepositoryName, BranchName string }

func (c *CodeCommit) getBranch(_ *http.Request, in getBranch) (any, error) {
	id, err := c.git(in.RepositoryName, "rev-parse", "--verify", "--end-of-options", "refs/heads/"+in.BranchName)
	if err != nil {
		return nil, refused(err, "BranchDoesNotExistException")
	}
	return map[string]any{"branch": map[string]string{"branchName": in.BranchName, "commitId": strings.TrimSpace(id)}}, nil
}

type getCommit struct{ RepositoryName, CommitID string }

func (c *CodeCommit) getCommit(_ *http.Request, in getCommit) (any, error) {
	text, err := c.git(in.RepositoryName, "show", "--no-patch", "--date=raw",
		"--format=%H%x00%T%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B", in.CommitID)
	if err != nil {
		return nil, refused(err, "CommitIdDoesNotExistException")
	}
	f := strings.SplitN(text, "\x00", 9)
	who := func(i int) map[string]string { return map[string]string{"name": f[i], "email": f[i+1], "date": f[i+2]} }
	return map[string]any{"commit": map[string]any{
		"commitId": f[0], "treeId": f[1], "author": who(2), "committer": who(5), "message": f[8],
	}}, nil
}

type getFolder struct{ RepositoryName, CommitSpecifier, FolderPath string }

func (c *CodeCommit) getFolder(_ *http.Request, in getFolder) (any, error) {
	folder := strings.Trim(in.FolderPath, "/")
	text, err := c.git(in.RepositoryName, "ls-tree", "-z", in.CommitSpecifier+":"+folder)
	if err != nil {
		return nil, refused(err, "FolderDoesNotExistException")
	}
	type file map[string]string
	files, links, folders := []file{}, []file{}, []file{}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\x00"), "\x00") {
		meta, name, _ := strings.Cut(line, "\t")
		part := strings.Fields(meta)
		if len(part) != 3 {
			continue // an empty folder
		}
		f := file{"relativePath": name, "absolutePath": path.Join(folder, name), "blobId": part[2], "treeId": part[2], "fileMode": "NORMAL"}
		switch part[0] {
		case "040000":
			folders = append(folders, f)
		case "120000":
			f["fileMode"] = "SYMLINK"
			links = append(links, f)
		case "100755":
			f["fileMode"] = "EXECUTABLE"
			files = append(files, f)
		default:
			files = append(files, f)
		}
	}
	return map[string]any{"commitId": in.CommitSpecifier, "folderPath": folder, "files": files, "symbolicLinks": links, "subFolders": folders}, nil
}

type getBlob struct{ RepositoryName, BlobID string }

func (c *CodeCommit) getBlob(_ *http.Request, in getBlob) (any, error) {
	content, err := c.git(in.RepositoryName, "cat-file", "blob", in.BlobID)
	if err != nil {
		return nil, refused(err, "BlobIdDoesNotExistException")
	}
	return map[string]any{"content": []byte(content)}, nil
}

// errNoRepository says that no folder has the repository's name.
var errNoRepository = errors.New("no such repository")

// refused names what git did not find.
func refused(err error, code string) error {
	if errors.Is(err, errNoRepository) {
		code = "RepositoryDoesNotExistException"
	}
	return failure{code, err.Error()}
}

func (c *CodeCommit) git(repository string, args ...string) (string, error) {
	folder := filepath.Join(c.folder, filepath.Base(repository))
	if _, err := os.Stat(folder); err != nil {
		return "", errNoRepository
	}
	cmd := exec.Command("git", append([]string{"-C", folder}, args...)...)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", errors.New(strings.TrimSpace(complaint.String()))
	}
	return string(out), nil
}
