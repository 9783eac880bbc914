package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/sluice-ci/sluice/internal/store"
)

func oneConcurrentWriteWins(t *testing.T, s store.Store) {
	const writers = 16
	k := key("p", "s")
	for round := range int64(10) {
		var wg sync.WaitGroup
		errs := make([]error, writers)
		for i := range errs {
			wg.Go(func() {
				errs[i] = s.Write(context.Background(), put(k, round, fmt.Sprint(i)), put(key("p", fmt.Sprintf("side%d", i)), store.Any, ""))
			})
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner >= 0:
				t.Fatalf("round %d: writers %d and %d both won", round, winner, i)
			case err == nil:
				winner = i
			case !store.IsConflict(err):
				t.Fatalf("round %d: %v; want a conflict", round, err)
			}
		}
		if winner < 0 {
			t.Fatalf("round %d: nobody won", round)
		}
		want(t, s, k, fmt.Sprintf("%d:%d", round+1, winner))
	}
	sides, err := s.Query(t.Context(), store.Query{PK: "p", Prefix: "side"})
	var writes int64
	for _, item := range sides {
		writes += item.Version
	}
	if err != nil || writes != 10 {
		t.Errorf("losers and winners left %d side writes, %v; want 10", writes, err)
	}
}

// Writers that retry on conflict add up to as many versions as they succeeded.
func countersLoseNothing(t *testing.T, s store.Store) {
	k := key("p", "s")
	must(t, s, put(k, 0, ""))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for done := 0; done < 10; {
				item, err := s.Get(context.Background(), k)
				if err == nil {
					err = s.Write(context.Background(), store.Op{Key: k, If: item.Version, Value: append(item.Value, 'x')})
				}
				if err == nil {
					done++
				} else if !store.IsConflict(err) {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	want(t, s, k, "81:"+strings.Repeat("x", 80))
}

// One write changes two items. Who has seen the first changed sees the second
// changed too.
func readersSeeWholeWrites(t *testing.T, s store.Store) {
	a, b := key("p", "a"), key("p", "b")
	must(t, s, put(a, 0, "0"), put(b, 0, "0"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				first, err1 := s.Get(context.Background(), a)
				second, err2 := s.Get(context.Background(), b)
				if err := errors.Join(err1, err2); err != nil || first.Version > second.Version {
					t.Errorf("saw version %d, then version %d, %v", first.Version, second.Version, err)
					return
				}
			}
		})
	}
	for v := range int64(50) {
		must(t, s, put(a, v+1, "x"), put(b, v+1, "x"))
	}
	close(stop)
	wg.Wait()
}
