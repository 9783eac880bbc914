package githttp

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

// Fetch asks for a commit, without its history, and writes what comes to
// scratch, an empty file. Without files it asks for the commit alone, which a
// server that cannot do so ignores. The Pack reads scratch.
func (r *Remote) Fetch(ctx context.Context, refs *Refs, commit ID, files bool, scratch *os.File) (*Pack, error) {
	body, err := r.do(ctx, http.MethodPost, "/git-upload-pack", "application/x-git-upload-pack-result", request(refs, commit, files))
	if err != nil {
		return nil, err
	}
	defer body.Close()
	in := bufio.NewReaderSize(body, 1<<16)
	if err := preamble(in); err != nil {
		return nil, fmt.Errorf("commit %s of %s: %w", commit, r.URL, err)
	}
	var data io.Reader = in
	if refs.able["side-band-64k"] {
		data = &bands{r: in}
	}
	limits := r.Limits.withDefaults()
	n, err := io.Copy(scratch, io.LimitReader(data, limits.Pack+1))
	if err == nil && n > limits.Pack {
		err = fmt.Errorf("%w: it takes more than %d bytes", ErrLimit, limits.Pack)
	}
	if err != nil {
		return nil, fmt.Errorf("commit %s of %s: %w", commit, r.URL, err)
	}
	pack, err := readPack(ctx, scratch, n, limits)
	if err != nil {
		return nil, fmt.Errorf("commit %s of %s: %w", commit, r.URL, err)
	}
	return pack, nil
}

// request returns the question for a commit. Of what the server can do it
// chooses what makes its answer smaller; multi_ack_detailed changes nothing for
// who has nothing yet, but some servers insist on it.
func request(refs *Refs, commit ID, files bool) string {
	var able []string
	for _, c := range []string{"multi_ack_detailed", "side-band-64k", "ofs-delta", "no-progress"} {
		if refs.able[c] {
			able = append(able, c)
		}
	}
	commitOnly := refs.able["filter"] && !files
	if commitOnly {
		able = append(able, "filter")
	}
	lines := pkt("want %s %s\n", commit, strings.Join(able, " "))
	if refs.able["shallow"] {
		lines += pkt("deepen 1\n")
	}
	if commitOnly {
		lines += pkt("filter tree:0\n")
	}
	return lines + flush + pkt("done\n")
}

// preamble reads what stands in front of the pack: where the history is cut
// off, and that nothing is known to both sides.
func preamble(in *bufio.Reader) error {
	buf := make([]byte, pktMax)
	for {
		line, flushed, err := readPkt(in, buf)
		if err != nil {
			return err
		}
		if flushed {
			continue
		}
		text := strings.TrimSuffix(string(line), "\n")
		what, rest, _ := strings.Cut(text, " ")
		switch what {
		case "shallow", "unshallow":
		case "NAK":
			return nil
		case "ERR":
			return said(rest)
		default:
			return fmt.Errorf("%w: unexpected line %.100q", ErrUnsupported, text)
		}
	}
}
