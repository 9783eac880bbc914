// Package orders delivers what can happen to one action in every order.
//
// Seven things happen to an action: it is called for and recorded (intent), its
// work is begun (start), what was begun becomes known (link), the end is told
// (done), it is told again and says something else (again), the time is up
// (timeout), its execution is stopped (stop). Each of their 5,040 orders is
// played on the real use cases, for each kind of action. The process that
// records the intent dies before it begins the work, the one that begins it
// dies before it says so; so the machine calls again, with the same token, with
// new ones, or with calls that come late. Rows of the outbox are delivered at
// once, or only when all seven have happened.
//
// Behind each of them, and when all that heals by itself has healed, it holds
// that
//
//   - the action stands as the order of things says (expect, in
//     oracle_test.go): the first end that is told stays, none that was told is
//     lost;
//   - who comes late is refused with the right error, or changes nothing, and
//     so are both ends when they are told once more behind everything;
//   - no work is begun twice, and none whose execution was stopped before it
//     was recorded;
//   - an end tells the task that waits, once, and no task waits for an action
//     that has ended; the run ends, the stage is free;
//   - the invariants of orchestratortest hold in every commit.
package orders
