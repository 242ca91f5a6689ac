package faults

import (
	"context"
	"math/rand/v2"
	"syscall"
)

// any is one of the servers.
func (w *world) any(r *rand.Rand) *replica { return w.replicas[r.IntN(replicas)] }

// again is the healing of what only has to be started again: after every blow all that has ended is.
func (w *world) again(context.Context) error { return nil }

func killMeterd(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return w.again, w.any(r).end(syscall.SIGKILL)
}

func stopMeterd(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	return w.again, w.any(r).end(syscall.SIGTERM)
}

func killAll(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	for _, one := range w.replicas {
		if err := one.end(syscall.SIGKILL); err != nil {
			return w.again, err
		}
	}
	return w.again, nil
}

func haltMeterd(_ context.Context, w *world, r *rand.Rand) (func(context.Context) error, error) {
	one := w.any(r)
	one.signal(syscall.SIGSTOP)
	return func(context.Context) error {
		one.signal(syscall.SIGCONT)
		return nil
	}, nil
}

func killPostgres(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.crashes.postgres.Add(1)
	return w.again, w.database.crash(syscall.SIGKILL)
}

func quitPostgres(_ context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	w.crashes.postgres.Add(1)
	return w.again, w.database.crash(syscall.SIGQUIT)
}

// killBackend kills the process behind one of the servers' connections, after which PostgreSQL ends all of them and
// recovers.
func killBackend(ctx context.Context, w *world, _ *rand.Rand) (func(context.Context) error, error) {
	conn, err := w.database.connect(ctx)
	if err != nil {
		return w.again, err
	}
	defer func() { _ = conn.Close(ctx) }()
	var pid int
	const read = "SELECT pid FROM pg_stat_activity WHERE usename = $1 AND application_name = 'meterd lane' LIMIT 1"
	if err := conn.QueryRow(ctx, read, role).Scan(&pid); err != nil {
		return w.again, nil // No lane is connected: there is nothing to kill.
	}
	w.crashes.postgres.Add(1)
	return w.again, syscall.Kill(pid, syscall.SIGKILL)
}
