package delivery

import (
	"encoding/json"
	"fmt"

	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
	"github.com/sluice-ci/sluice/internal/store"
)

// A Change is a record of the table's stream that holds an outbox row.
type Change struct {
	Sequence string // what the stream calls it
	Row      orchestrator.Row
}

// image is an item in the stream, as package dynamo writes items.
type image struct {
	PK  struct{ S string } `json:"pk"`
	SK  struct{ S string } `json:"sk"`
	Val struct{ B []byte } `json:"val"`
}

// A streamRecord is what is read of a record of a stream.
type streamRecord struct {
	Name   string `json:"eventName"` // INSERT, MODIFY, REMOVE
	Change struct {
		Sequence string `json:"SequenceNumber"`
		New      image  `json:"NewImage"`
	} `json:"dynamodb"`
}

// Changes returns the outbox rows that were added, among records of the stream,
// and why others cannot be read: those stay in the table, where the sweep names
// them each minute. One bad row must not hold up all others.
func Changes(records []json.RawMessage) (rows []Change, unreadable []error) {
	for _, raw := range records {
		var r streamRecord
		if err := json.Unmarshal(raw, &r); err != nil {
			unreadable = append(unreadable, fmt.Errorf("record of the stream: %w", err))
			continue
		}
		key := store.Key{PK: r.Change.New.PK.S, SK: r.Change.New.SK.S}
		if r.Name != "INSERT" || !record.IsOutbox(key) {
			continue
		}
		row, err := record.Decode[record.Outbox](store.Item{Key: key, Value: r.Change.New.Val.B})
		if err != nil {
			unreadable = append(unreadable, err)
			continue
		}
		rows = append(rows, Change{r.Change.Sequence, orchestrator.Row{Key: key, Outbox: row}})
	}
	return rows, unreadable
}
