package sfn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"github.com/sluice-ci/sluice/internal/machine"
)

// TestNoMachine pins which answers to a start say that the machine is gone, so
// that nobody tries again for ever; and that no other answer does, so that no
// run is given up that may begin.
func TestNoMachine(t *testing.T) {
	text := aws.String("State Machine Does Not Exist")
	for _, tt := range []struct {
		answer error
		gone   bool
	}{
		{&types.StateMachineDoesNotExist{Message: text}, true},
		{&types.StateMachineDeleting{Message: text}, true},
		{&types.ExecutionLimitExceeded{Message: text}, false},
		{&types.InvalidArn{Message: text}, false},
		{errors.New("connection reset by peer"), false},
	} {
		f := newFake(t)
		f.fails["StartExecution"] = tt.answer
		err := start(t.Context(), open(t, f), f)
		if errors.Is(err, machine.ErrNoMachine) != tt.gone || !errors.Is(err, tt.answer) || !strings.Contains(err.Error(), "start run a") {
			t.Errorf("%T: %v; gone: want %v", tt.answer, err, tt.gone)
		}
	}
}
