// Command outbox does what transactions left to be done: it is the only
// function that starts and answers machines, puts events on the bus, publishes
// to topics and sends errands.
//
// Started by: the table's stream, for rows that were added to the outbox; a
// rule, each minute; runs of machines that ended badly.
// Does: Service.Act, Announce, Delivered; Sweep; Ended.
package main

import (
	"github.com/sluice-ci/sluice/internal/cloud"
	"github.com/sluice-ci/sluice/internal/cloud/delivery"
	"github.com/sluice-ci/sluice/internal/entry"
	"github.com/sluice-ci/sluice/internal/orchestrator"
	"github.com/sluice-ci/sluice/internal/record"
)

func main() {
	entry.Main(func(e entry.Environment) (entry.Handler, error) {
		e.Need("SLUICE_ACCOUNT", "SLUICE_BUS", "SLUICE_QUEUE", "SLUICE_TABLE")
		table, err := cloud.Table(e)
		if err != nil {
			return nil, err
		}
		machines, err := delivery.Machine(e, record.Reader{Store: table})
		if err != nil {
			return nil, err
		}
		bus, err := delivery.Bus(e)
		if err != nil {
			return nil, err
		}
		send, err := delivery.Errands(e)
		if err != nil {
			return nil, err
		}
		svc, err := cloud.Service(e, orchestrator.Ports{Store: table, Machine: machines, Bus: bus}, send)
		return outbox{svc, e.Log}.handle, err
	})
}
