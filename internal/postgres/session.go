package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// abandonTimeout bounds a rollback. It has a time of its own: it is due when the batch's has run out.
const abandonTimeout = 2 * time.Second

// Session is one lane's connection. It has at most one transaction in flight and is not safe for concurrent use. It
// connects when it is first used, and again after the connection was lost.
type Session struct {
	store    *Store
	conn     *pgx.Conn
	exchange exchange
	met      acquaintance
	memory   memory
	loaded   *loader // What the batch in flight began with.
	batches  int     // Since it connected, or since a batch failed.
}

// replanBatches bounds how many batches go by the same plans. Planning all of a batch's statements costs about as much as a
// batch of thirty turns does.
const replanBatches = 1024

// outgrown says whether what the n-th batch finds may be much more than what plans were made for. A table that was vacuumed
// while it was empty is known to have no rows, so the planner reads it whole as gladly as by key, and such a plan would stay
// while the table fills. Made again it goes by key from the first few rows on. So statements are planned anew whenever the
// batches have doubled, and never more rarely than the bound.
func outgrown(n int) bool { return n&(n-1) == 0 || n%replanBatches == 0 }

// acquaintance is what organizations were seen to refer to, and is loaded with every batch because it likely is again.
type acquaintance struct{ plans, books []string }

// mostMet bounds how many plans, and how many price books, are loaded with every batch.
const mostMet = 64

func (a acquaintance) empty() bool { return len(a.plans)+len(a.books) == 0 }

func (a *acquaintance) add(more acquaintance) {
	a.plans, a.books = remember(a.plans, more.plans), remember(a.books, more.books)
}

// remember adds ids to those that are known, and forgets the old ones when they become too many.
func remember(known, more []string) []string {
	if len(known)+len(more) > mostMet {
		return more[:min(len(more), mostMet)]
	}
	return append(known, more...)
}

// NewSession is a session that has not connected yet.
func (s *Store) NewSession() *Session { return &Session{store: s} }

// Load answers organizations with every row that is needed and with what is due. If it remembers all of that, it asks the
// database nothing: Save confirms it, and fails with meter.ErrStale if it has changed. Else it opens a transaction, locks the
// organizations and loads it, in one round trip; in two if one is on a plan, or names a price book, that the session has not
// met, if another server wrote to one that the session remembers, or if a remembered turn's period has ended. An organization
// that does not exist gets a state without one. The error is as fault says; after one, Abandon must be called.
func (s *Session) Load(ctx context.Context, organizations []string, n meter.Needs) (map[string]*meter.State, error) {
	if err := s.connect(ctx); err != nil {
		return nil, fault(err)
	}
	s.batches++
	if l := s.ahead(organizations, n); l != nil {
		s.loaded = l
		return l.states, fault(l.openBooks(ctx))
	}
	l := newLoader(s.store, organizations)
	s.loaded = l
	s.discardOutgrown(&l.batch)
	l.queue(n, s.met, &s.memory)
	asked := time.Now()
	if err := s.send(ctx, &l.batch); err != nil {
		return nil, fault(err)
	}
	s.memory.clock = s.memory.clock.better(clock{told: l.now, at: time.Now(), took: time.Since(asked)})
	if err := s.meet(ctx, l); err != nil {
		return nil, fault(err)
	}
	s.memory.terms = l.terms
	return l.states, nil
}

// discardOutgrown has a batch planned anew when it is time to.
func (s *Session) discardOutgrown(batch *pgx.Batch) {
	if outgrown(s.batches) {
		batch.Queue("discard plans")
	}
}

// meet loads what was not expected: plans and price books, which it expects from now on, members and turns that are not
// remembered rightly. Their organizations are locked, so all that stays as it is.
func (s *Session) meet(ctx context.Context, l *loader) error {
	unmet := l.unmet()
	members, turns := l.recall(&s.memory)
	if !unmet.empty() || len(members)+len(turns) > 0 {
		s.met.add(unmet)
		l.batch = pgx.Batch{}
		l.queuePlans(unmet.plans)
		l.queueBooks(unmet.books)
		if len(turns) > 0 {
			l.queueTurns(turns, nil, nil)
		}
		l.queueKeys(loadMembers, members, l.readMembers)
		if err := s.send(ctx, &l.batch); err != nil {
			return err
		}
	}
	return l.openBooks(ctx)
}

// Save writes what changed in the states and commits, in one round trip. Once it has answered nil, all of it is on disk.
// After an error that says Unavailable the transaction may have been committed or not; not, if its cause is meter.ErrStale.
// After any error Abandon must be called.
func (s *Session) Save(ctx context.Context, states map[string]*meter.State) error {
	w := newSaver(states, s.loaded)
	if w.ahead != nil {
		s.discardOutgrown(&w.batch)
	}
	w.queue()
	if w.ahead == nil {
		w.batch.Queue("commit")
	}
	if err := s.save(ctx, &w.batch); err != nil {
		return s.refuted(err)
	}
	s.remember(states, w.written)
	return nil
}

// remember keeps what the next batch is likely to need, once it is on disk.
func (s *Session) remember(states map[string]*meter.State, written []*meter.Organization) {
	writers := s.loaded.writers
	for _, o := range written {
		writers[o.ID] = s.loaded.transaction
	}
	for id, writer := range writers {
		s.memory.keep(states[id], writer)
	}
}

// send is the round trip of a load.
func (s *Session) send(ctx context.Context, batch *pgx.Batch) error {
	ctx, err := s.bounded(ctx)
	if err != nil {
		return err
	}
	return s.conn.SendBatch(ctx, batch).Close()
}

// save is the round trip of a save.
func (s *Session) save(ctx context.Context, batch *pgx.Batch) error {
	ctx, err := s.bounded(ctx)
	if err != nil {
		return err
	}
	return s.exchange.do(ctx, batch, s.loaded.readConfirmed)
}

// bounded sets a context's deadline on the connection itself: a context that can end would cost a goroutine to watch it.
func (s *Session) bounded(ctx context.Context) (context.Context, error) {
	deadline, _ := ctx.Deadline()
	err := s.conn.PgConn().Conn().SetDeadline(deadline)
	s.exchange.cut = s.exchange.cut || err != nil
	return context.WithoutCancel(ctx), err
}

// Abandon ends a transaction that failed, and the connection with it if that does not go well. The next batch goes by new
// plans: the old ones may be why this one took too long. It keeps them where what failed was decided by memory, which has
// ended by itself.
func (s *Session) Abandon() {
	if s.conn == nil {
		return
	}
	if s.loaded != nil && s.loaded.ahead && !s.exchange.cut && !s.conn.IsClosed() {
		return
	}
	s.batches = 0
	ctx, cancel := context.WithTimeout(context.Background(), abandonTimeout)
	defer cancel()
	if !s.conn.IsClosed() {
		// Where the line was cut this fails, and pgx has the server end what it is still at.
		if _, err := s.conn.Exec(ctx, "rollback"); err == nil {
			return
		}
	}
	s.store.config.Logger.Warn("lost a connection to the database")
	s.Close()
}

// Close ends the connection.
func (s *Session) Close() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), abandonTimeout)
	defer cancel()
	_ = s.conn.Close(ctx)
	s.conn = nil
}

func (s *Session) connect(ctx context.Context) error {
	if s.conn != nil && !s.conn.IsClosed() {
		return nil
	}
	conn, err := pgx.ConnectConfig(ctx, s.store.writers.Copy())
	if err != nil {
		return err
	}
	writeArrays(conn.TypeMap())
	s.store.config.Foreground(conn.PgConn().PID())
	s.conn, s.exchange, s.batches, s.memory = conn, exchange{conn: conn}, 0, memory{} // Another database may number its transactions alike.
	return nil
}
