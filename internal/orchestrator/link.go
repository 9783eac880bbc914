package orchestrator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/sluice-ci/sluice/internal/pipeline"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// Why a link answers nothing. None of these says anything about the approval.
var (
	ErrLinkUnknown = errors.New("the link is not known")
	ErrLinkUsed    = errors.New("the request was answered before, or has ended")
	ErrLinkExpired = errors.New("the time for an answer is over")
	ErrLinkLocked  = errors.New("the link was tried too often with the name of another pipeline")
)

// Why an answer was not taken. The link is as good as before, but for a count
// of wrong names.
var (
	ErrWrongName = errors.New("the name of the pipeline differs")
	ErrNoComment = errors.New("an answer has a comment of 1 to 512 characters")
)

const (
	maxWrong   = 10                  // wrong names; then the link is dead
	maxComment = 512                 // characters (API, ApprovalResult)
	linkStays  = 30 * 24 * time.Hour // how long an old link is known for what it was
)

// A Decision is somebody's answer to an approval through a link.
type Decision struct {
	Secret   string
	Pipeline string // as it was typed; has to be the name exactly
	Approved bool
	Summary  string // required, at most 512 characters
}

// Decided says what was recorded.
type Decided struct {
	Pipeline, Stage, Action, Execution string
	Approved                           bool
	Summary                            string
	By                                 string // which link; nobody knows who held it
	At                                 time.Time
}

// LinkName returns what a link may be called in logs and records: it leads
// nobody to the secret.
func LinkName(secret string) string { return hashOf(secret)[:6] }

// hashOf hashes the text of a secret, so a secret that was altered anywhere,
// be it in letters that decode to the same bits, is another one.
func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// mint makes a link to an approval, keeps the hash of its secret and returns
// the secret, 64 hex digits.
func (s *Service) mint(ctx context.Context, a *record.Action) (secret string, err error) {
	var b [32]byte
	rand.Read(b[:]) // never fails
	secret = hex.EncodeToString(b[:])
	link := record.Link{Action: a.Ref(), Expires: a.Job.Deadline}
	return secret, s.Store.Write(ctx, putLink(secret, 0, link))
}

func putLink(secret string, at int64, link record.Link) store.Op {
	return store.Op{Key: record.LinkKey(hashOf(secret)), Kind: store.Put, If: at, Value: record.Encode(link), Expires: link.Expires.Add(linkStays)}
}

// link returns the link with the secret if it was not used up. Whether its
// approval takes an answer is for [asking] to say.
func (s *Service) link(ctx context.Context, secret string) (record.Versioned[record.Link], error) {
	l, err := s.Records.Link(ctx, hashOf(secret))
	switch {
	case errors.Is(err, record.ErrNoLink):
		return l, ErrLinkUnknown
	case err != nil:
		return l, err
	case !l.Value.Used.IsZero():
		return l, ErrLinkUsed
	case l.Value.Wrong >= maxWrong:
		return l, ErrLinkLocked
	}
	return l, nil
}

// asking says why an approval takes no answer through a link, or nil.
func asking(a *record.Action, now time.Time) error {
	switch {
	case missed(a, now):
		return ErrLinkExpired
	case a.Job.Action.TypeID.Category != pipeline.Approval, a.Status.Final():
		return ErrLinkUsed
	}
	return nil
}

// Request returns what the holder of a link is asked, or one of the ErrLink
// errors. It changes nothing.
func (s *Service) Request(ctx context.Context, secret string) (Ask, error) {
	now := s.now()
	l, err := s.link(ctx, secret)
	if err != nil {
		return Ask{}, err
	}
	a, err := s.Records.Action(ctx, l.Value.Action)
	if err != nil {
		return Ask{}, err
	}
	if err := asking(&a.Value, now); err != nil {
		return Ask{}, err
	}
	return s.ask(ctx, &a.Value)
}

// Decide records the answer of whoever holds a link, or returns one of the
// errors above. The answer and the end of the link are one change, so of any
// number of answers, by links, by [Service.PutApproval] or by the end of the
// execution, the first one counts. A wrong name answers nothing and is counted.
func (s *Service) Decide(ctx context.Context, in Decision) (Decided, error) {
	var done Decided
	var refused error
	err := s.change(ctx, func(c *change) error {
		done, refused = Decided{}, nil
		l, err := s.link(ctx, in.Secret)
		if err != nil {
			return err
		}
		a, err := c.action(l.Value.Action)
		if err != nil {
			return err
		}
		if err := asking(a, c.at); err != nil {
			return err
		}
		if in.Pipeline == "" { // a machine that presses buttons: it must not use up what a person may mistype
			return ErrWrongName
		}
		if in.Pipeline != a.Pipeline {
			l.Value.Wrong++
			c.extra, refused = append(c.extra, putLink(in.Secret, l.At, l.Value)), ErrWrongName
			return nil
		}
		if n := utf8.RuneCountInString(in.Summary); n == 0 || n > maxComment {
			return ErrNoComment
		}
		l.Value.Used = c.at
		c.extra = append(c.extra, putLink(in.Secret, l.At, l.Value))
		done = Decided{a.Pipeline, a.Stage, a.Name, a.Execution, in.Approved, in.Summary, "approval link " + LinkName(in.Secret), c.at}
		return c.settle(a, in.Approved, in.Summary, done.By)
	})
	if err == nil {
		err = refused
	}
	if err != nil {
		done = Decided{}
	}
	return done, err
}
