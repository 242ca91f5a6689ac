package faults

import (
	"context"
	"math/rand/v2"
	"time"
)

// fault is one kind of harm. It is injected, lasts a while, and is healed; a fault that is over at once heals nothing.
type fault struct {
	name string
	// longest bounds how long it lasts.
	longest time.Duration
	// inject does the harm and answers what undoes it. What is chosen within is chosen by r.
	inject func(ctx context.Context, w *world, r *rand.Rand) (heal func(context.Context) error, err error)
	// alone says that no other fault may be about: the fault itself needs an answer.
	alone bool
}

// faults are all kinds there are. A new one is a line here and a few of its own.
var faults = []fault{
	{"meterd killed (SIGKILL)", 400 * time.Millisecond, killMeterd, false},
	{"meterd told to stop (SIGTERM)", 300 * time.Millisecond, stopMeterd, false},
	{"meterd halted (SIGSTOP)", 11 * time.Second, haltMeterd, false},
	{"every meterd killed", 300 * time.Millisecond, killAll, false},
	{"PostgreSQL killed (SIGKILL)", 300 * time.Millisecond, killPostgres, false},
	{"PostgreSQL stopped at once (SIGQUIT)", 300 * time.Millisecond, quitPostgres, false},
	{"a backend of PostgreSQL killed", 300 * time.Millisecond, killBackend, false},
	{"callers cut off", 500 * time.Millisecond, cutCallers, false},
	{"a request cut in the middle", time.Second, tearRequest, false},
	{"an answer cut off", time.Second, loseAnswer, false},
	{"one meterd parted from PostgreSQL", 1500 * time.Millisecond, partDatabase, false},
	{"one meterd parted from its callers", 1500 * time.Millisecond, partCallers, false},
	{"the network silent", 2 * time.Second, silence, false},
	{"statements cut in the middle", time.Second, tearStatements, false},
	{"PostgreSQL's answer to COMMIT lost", 2 * time.Second, loseCommit, false},
	{"latency", 2 * time.Second, latency, false},
	{"little bandwidth", 2 * time.Second, bandwidth, false},
	{"packets in slices", 2 * time.Second, sliced, false},
	{"no connection to be had", 1500 * time.Millisecond, exhaustConnections, false},
	{"backends terminated", 500 * time.Millisecond, terminateBackends, false},
	{"statements cancelled", 500 * time.Millisecond, cancelStatements, false},
	{"rows locked by another", 4 * time.Second, lockRows, false},
	{"deadlocks", 4 * time.Second, deadlock, false},
	{"serialization errors", 1500 * time.Millisecond, serialization, false},
	{"COMMIT refused", 1500 * time.Millisecond, refuseCommit, false},
	{"the disk full", 1500 * time.Millisecond, diskFull, false},
	{"the clock jumps", 500 * time.Millisecond, nil, true}, // See round.jump: the round must know.
}
