package postgres

import (
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/spillway-metering/spillway/internal/meter"
)

// What the tests in package postgres_test look at from inside: they cannot be in this package, which the package that
// starts their PostgreSQL imports.
var (
	Fault        = fault
	CheckVersion = checkVersion
	WriteArrays  = writeArrays
)

// Writers is how sessions connect; a test may put itself between.
func (s *Store) Writers() *pgx.ConnConfig { return s.writers }

// Connection is the session's own, with the plans that it keeps.
func (s *Session) Connection() *pgx.Conn { return s.conn }

// BooksKept bounds how many versions of price books a store keeps in memory, and BooksInMemory is how many it does.
const BooksKept = booksKept

func (s *Store) BooksInMemory() int {
	s.books.mu.Lock()
	defer s.books.mu.Unlock()
	return len(s.books.tables)
}

// MostRemembered bounds the bytes that a session remembers, and Remembered are those that it does.
const MostRemembered = mostRemembered

func (s *Session) Remembered() int { return s.memory.bytes }

// StrangeFor is for how many batches a session does not remember an organization that another server wrote.
const StrangeFor = strangeFor

// Trust says whether a session decides by memory from now on, also by a clock that it knows only roughly because the machine has
// much to do; Trusts is whether it does, and Ahead whether it decided the last batch so.
func (s *Session) Trust(memory bool) {
	s.memory.doubt = doubtFor
	if memory {
		s.memory.doubt = 0
	}
	if now, _ := s.memory.clock.read(); !s.memory.clock.told.IsZero() {
		s.memory.clock = clock{told: now, at: time.Now()}
	}
}

func (s *Session) Trusts() bool { return s.memory.doubt == 0 }

func (s *Session) Ahead() bool { return s.loaded.ahead }

// Remember makes a session remember states as if it had just saved them.
func (s *Session) Remember(states map[string]*meter.State) {
	s.loaded = newLoader(s.store, nil)
	w := newSaver(states, s.loaded)
	w.organizations()
	s.remember(states, w.written)
}

// InChunksOf makes a roller take so many rows of each source at a time.
func (r *Roller) InChunksOf(rows int64) *Roller {
	r.chunk = rows
	return r
}

// LoadStatements are the statements of a load, and of what confirms one from memory, by name, but for begin.
func (s *Store) LoadStatements() map[string]string {
	return map[string]string{
		"lockOrganizations":  lockOrganizations,
		"writeRemembered":    s.sql.writeRemembered,
		"loadPlans":          loadPlans,
		"loadBookVersions":   loadBookVersions,
		"loadFrame":          s.sql.frame,
		"loadTurns":          loadTurns,
		"loadMembers":        loadMembers,
		"loadOtherMembers":   loadOtherMembers,
		"loadExtensions":     loadExtensions,
		"loadTopUps":         loadTopUps,
		"loadRefunds":        loadRefunds,
		"loadAccessChanges":  loadAccessChanges,
		"loadResources":      loadResources,
		"loadDevices":        loadDevices,
		"loadResourceCounts": loadResourceCounts,
		"recountResources":   recountResources,
		"beginAuditChains":   beginAuditChains,
		"loadAuditChains":    loadAuditChains,
		"loadRefusals":       loadRefusals,
	}
}

// ReadStatements are the reads of one turn, and of lists of turns, by name.
func ReadStatements() map[string]string {
	return map[string]string{
		"readReservations":   readReservations,
		"readReservationsOf": readReservationsOf,
		"readReach":          readReach,
		"readReachOf":        readReachOf,
		"readOpenIDs":        readOpenIDs,
		"readOpen":           readOpen,
		"readRequested":      readRequested,
		"readRefusalsOf":     readRefusalsOf,
		"readExtensionsOf":   readExtensionsOf,
		"readExpiry":         readExpiry,
		"readCharges":        readCharges,
	}
}

// ReportStatements are those that read what is rolled up, by name.
func ReportStatements() map[string]string {
	return map[string]string{
		"reportDays": reportDays, "reportAll": reportAll, "reportLabel": reportLabel, "costsOfTurns": costsOfTurns,
	}
}

// ReportSettings are those of a connection that reports.
func (s *Store) ReportSettings() map[string]string {
	return s.reports.Config().ConnConfig.RuntimeParams
}

// RollUpStatements are those that read what is not rolled up yet, by name.
func RollUpStatements() map[string]string {
	return map[string]string{"readHours": readHours, "rollUpUsage": rollUpUsage}
}

// Rollers is how rollers connect.
func (s *Store) Rollers() *pgx.ConnConfig {
	config := s.writers.Copy()
	tuneRoller(config)
	return config
}

// SaveStatements are the statements of a save by name, but for commit.
func (s *Store) SaveStatements() map[string]string {
	return map[string]string{
		"insertOrganization":        insertOrganization,
		"updateOrganizationProfile": updateOrganizationProfile,
		"updateOrganizations":       updateOrganizations,
		"insertMember":              insertMember,
		"updateMemberProfile":       updateMemberProfile,
		"updateMembers":             updateMembers,
		"upsertPeriods":             upsertPeriods,
		"insertReservations":        insertReservations,
		"updateExtended":            updateExtended,
		"updateSettled":             updateSettled,
		"insertExtension":           insertExtension,
		"insertEntries":             insertEntries,
		"insertAccessChange":        insertAccessChange,
		"upsertResources":           upsertResources,
		"upsertResourceCounts":      upsertResourceCounts,
		"insertAuditEntry":          insertAuditEntry,
		"updateAuditChains":         updateAuditChains,
		"insertUncharged":           insertUncharged,
		"insertRefusals":            insertRefusals,
	}
}

// ReadClock is what a clock tells that goes by an answer of so long ago, and then by another one.
func ReadClock(told time.Time, ago, took time.Duration, other time.Time, otherTook time.Duration) (now time.Time, behind time.Duration) {
	c := clock{told, time.Now().Add(-ago), took}
	return c.better(clock{other, time.Now(), otherTook}).read()
}

// MostKept bounds the bytes that an exchange keeps for the next one, and Kept is how many it does.
const MostKept = mostKept

func (s *Session) Kept() int { return cap(s.exchange.messages) + cap(s.exchange.values) }
