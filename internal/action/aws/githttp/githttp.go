// Package githttp fetches one commit from a git server over HTTPS, without git.
//
// A function in Lambda has no git program, so this is the part of a client
// that a source needs: read the refs of a repository, ask for one commit
// without its history, and read the objects that come. It speaks version 0 of
// the protocol, which every server speaks and which takes two requests. No name
// of a ref, path or option is ever sent, only ids, so there is nothing to
// inject; there is no transport but the [http.Client] that is handed in.
//
// Objects are known by the ids made from their content. Whoever names the
// commit therefore gets its files and no others, whatever the server sends.
//
// # Invariants
//
// Each is held by the test of the same name.
//
//	Bounded   What a server sends ends in an error before it takes more memory,
//	          disk or entries than Limits allow.
//	AsGit     The files of a commit are those that git has for it.
package githttp

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A Remote is a repository that a server offers.
type Remote struct {
	URL    string // https://host/path/repo.git
	Client *http.Client
	Limits Limits

	// Login returns name and password for basic authentication. It is asked
	// before each request, since what it returns may expire. nil: none.
	Login func(ctx context.Context) (name, password string, err error)
}

// Limits bound what is taken from a server. A field that is zero has the
// default.
type Limits struct {
	Refs    int64 // bytes of the list of refs; default 64 MiB
	Pack    int64 // bytes that come with a commit; default 1 GiB
	Objects int   // in them; default 1,000,000
	Object  int64 // bytes of an object that has to be held in memory; default 128 MiB
	Entries int   // files and folders of a commit; default 500,000
	Bytes   int64 // of all files of a commit together; default 4 GiB
	Depth   int   // of folders in folders; default 256
}

func (l Limits) withDefaults() Limits {
	for _, x := range []struct {
		field *int64
		value int64
	}{{&l.Refs, 64 << 20}, {&l.Pack, 1 << 30}, {&l.Object, 128 << 20}, {&l.Bytes, 4 << 30}} {
		if *x.field == 0 {
			*x.field = x.value
		}
	}
	for _, x := range []struct {
		field *int
		value int
	}{{&l.Objects, 1_000_000}, {&l.Entries, 500_000}, {&l.Depth, 256}} {
		if *x.field == 0 {
			*x.field = x.value
		}
	}
	return l
}

var (
	// ErrUnknown says that the repository, or the commit that was asked for, is
	// not there for whoever asks.
	ErrUnknown = errors.New("not found")

	// ErrDenied says that the server does not let the caller in.
	ErrDenied = errors.New("access denied")

	// ErrLimit says that a commit is beyond Limits.
	ErrLimit = errors.New("beyond a limit")

	// ErrUnsupported says that the server speaks otherwise: it redirects, is no
	// git server, or names objects by SHA-256.
	ErrUnsupported = errors.New("not supported")

	// ErrDamaged says that what came is no pack, or lacks an object. Another
	// attempt may go better.
	ErrDamaged = errors.New("damaged")
)

// An ID is the SHA-1 name of an object.
type ID [20]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an ID of 40 hexadecimal digits.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 40 || s != strings.ToLower(s) {
		return id, fmt.Errorf("%.100q is no commit id; it has to be 40 hexadecimal digits", s)
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("%q is no commit id; it has to be 40 hexadecimal digits", s)
	}
	return id, nil
}
