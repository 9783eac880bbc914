package aws

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/sluice-ci/sluice/internal/bus"
)

// maxEntry is how large an event may be, 256 KiB: the limit that EventBridge
// had for years. It may take more by now; an event of ours this large is a bug.
const maxEntry = 256 << 10

// source returns the source an event has in an account.
//
// An event of ours has the source that CodePipeline's own has,
// "aws.codepipeline", and on a laptop it keeps it. But sources that begin with
// "aws." are for AWS services only; EventBridge refuses them from an account
// (NotAuthorizedForSourceException). So there it is "sluice.codepipeline", and
// that is what rules in an account match on. This is the only place where the
// two differ.
func source(s string) string {
	if service, ok := strings.CutPrefix(s, "aws."); ok {
		return "sluice." + service
	}
	return s
}

// put gives e to EventBridge, which adds the account and the region itself.
func (b *Bus) put(ctx context.Context, e bus.Event) error {
	detail, err := stamped(e.Detail, e.ID)
	if err != nil {
		return err
	}
	entry := types.PutEventsRequestEntry{
		EventBusName: &b.name,
		Source:       aws.String(source(e.Source)),
		DetailType:   &e.DetailType,
		Time:         &e.Time,
		Resources:    e.Resources,
		Detail:       &detail,
	}
	if n := size(entry); n > maxEntry {
		return fmt.Errorf("%d bytes are over the limit of %d", n, maxEntry)
	}
	out, err := b.events.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []types.PutEventsRequestEntry{entry}})
	if err != nil {
		return err
	}
	return refused(out)
}

// stamped returns detail, a JSON object, with id as its first member.
func stamped(detail []byte, id string) (string, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(detail, &members); err != nil || members == nil {
		return "", errors.New("the detail is not a JSON object")
	}
	quoted, err := json.Marshal(id)
	if err != nil {
		return "", err
	}
	rest := string(bytes.TrimSpace(detail)[1:])
	if len(members) > 0 {
		rest = "," + rest
	}
	return `{"` + idName + `":` + string(quoted) + rest, nil
}

// size returns the size of an entry as EventBridge counts it.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html
func size(e types.PutEventsRequestEntry) int {
	n := 14 + len(*e.Source) + len(*e.DetailType) + len(*e.Detail) // 14 is the time
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}
