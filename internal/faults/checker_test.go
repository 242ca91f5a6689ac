package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// fiction is a history made up by hand: a firm with an allowance of 100, a pool of 50, and one turn of 120 in it.
type fiction struct {
	firm  *firm
	books books
	eras  eras
	zero  time.Time // When it begins.
}

const fictionAllowance = 100

// tell makes up a faultless history.
func tell() *fiction {
	f := &fiction{firm: &firm{id: "fiction", allowance: fictionAllowance}}
	f.zero = time.UnixMicro(moment()).UTC().Add(-time.Minute)
	f.eras.add(era{from: f.zero.UnixMicro() - 1, start: f.zero.UnixMicro() - 1})
	entry := &meterv1.LedgerEntry{
		Sequence: 1, At: f.at(1), Kind: meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_TOP_UP, AmountMicros: 50,
		PoolBalanceAfterMicros: 50, RequestId: "pack",
	}
	f.books.entries = append(f.books.entries, entry)
	f.say(1, &meterv1.TopUpRequest{RequestId: "pack", AmountMicros: 50},
		&meterv1.TopUpResponse{Entry: entry, Pool: f.pool(50, 0, 0)})
	f.books.changes = append(f.books.changes, &meterv1.AccessChange{
		MemberId: "seat-0", At: f.at(2), Before: &meterv1.Access{Kind: noAccess}, After: &meterv1.Access{Kind: unlimited},
	})
	f.say(2, &meterv1.GrantAccessRequest{MemberId: "seat-0", Access: &meterv1.GrantAccessRequest_Unlimited{Unlimited: true}},
		&meterv1.GrantAccessResponse{Member: &meterv1.Member{MemberId: "seat-0", Access: &meterv1.Access{Kind: unlimited}}})
	f.books.listed = f.books.changes
	f.turn()
	return f
}

// turn reserves 120 and commits 110.
func (f *fiction) turn() {
	held := &meterv1.Reservation{
		ReservationId: "r", MemberId: "seat-0", RequestId: "turn", State: meterv1.ReservationState_RESERVATION_STATE_HELD,
		EstimateMicros: 120, HeldAllowanceMicros: 100, HeldPoolMicros: 20, PeriodStart: f.month(0), CreatedAt: f.at(3),
		ExpiresAt: timestamppb.New(f.at(3).AsTime().Add(10 * time.Minute)),
	}
	f.say(3, &meterv1.ReserveRequest{RequestId: "turn", MemberId: "seat-0", EstimateMicros: 120},
		&meterv1.ReserveResponse{Reservation: held, Meter: f.meter(0, 100, 0, 20)})
	done, _ := proto.Clone(held).(*meterv1.Reservation)
	done.State, done.SettledAt = meterv1.ReservationState_RESERVATION_STATE_COMMITTED, f.at(5)
	done.Charge = &meterv1.Charge{ActualMicros: 110, AllowanceMicros: 100, PoolMicros: 10}
	f.books.reservations = []*meterv1.Reservation{done}
	f.charge(2, meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_ALLOWANCE_CHARGE, 100, 50)
	f.charge(3, meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE, 10, 40)
	f.say(5, &meterv1.CommitRequest{ReservationId: "r", ActualMicros: proto.Int64(110)},
		&meterv1.CommitResponse{Reservation: done, Meter: f.meter(100, 0, 10, 0)})
	f.say(6, &meterv1.GetPoolRequest{}, &meterv1.GetPoolResponse{Pool: f.pool(40, 0, 10)})
}

func (f *fiction) charge(sequence int64, kind meterv1.LedgerEntryKind, amount, balance int64) {
	f.books.entries = append(f.books.entries, &meterv1.LedgerEntry{
		Sequence: sequence, At: f.at(5), Kind: kind, AmountMicros: amount, PoolBalanceAfterMicros: balance,
		MemberId: "seat-0", ReservationId: "r", RequestId: "turn",
	})
}

// at is a second of the story.
func (f *fiction) at(second int) *timestamppb.Timestamp {
	return timestamppb.New(f.zero.Add(time.Duration(second) * time.Second))
}

func (f *fiction) month(more int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(f.zero.Year(), f.zero.Month()+time.Month(more), 1, 0, 0, 0, 0, time.UTC))
}

func (f *fiction) pool(balance, held, consumed int64) *meterv1.Pool {
	return &meterv1.Pool{
		BalanceMicros: balance, HeldMicros: held, AvailableMicros: balance - held, PurchasedLifetimeMicros: 50,
		ConsumedLifetimeMicros: consumed,
	}
}

func (f *fiction) meter(used, held, poolUsed, poolHeld int64) *meterv1.Meter {
	return &meterv1.Meter{
		MemberId: "seat-0", PeriodStart: f.month(0), ResetsAt: f.month(1), AllowanceMicros: fictionAllowance,
		UsedMicros: used, HeldMicros: held, RemainingMicros: fictionAllowance - used - held,
		Access: &meterv1.Access{Kind: unlimited}, PoolUsedMicros: poolUsed, PoolHeldMicros: poolHeld,
	}
}

// say records an answer that was given within a tenth of a second of a moment.
func (f *fiction) say(second int, request, answer proto.Message) *attempt {
	at := f.at(second).AsTime().UnixMicro()
	a := &attempt{call: at - 50_000, ret: at + 50_000, request: request, answer: answer}
	f.firm.history.add(a)
	return a
}

// refuse records a refusal.
func (f *fiction) refuse(second int, request proto.Message, code codes.Code, reason string, facts map[string]string) {
	a := f.say(second, request, nil)
	a.answer, a.code, a.reason, a.facts = nil, code, reason, facts
}

// check is what the checker finds wrong.
func (f *fiction) check(t *testing.T) string {
	t.Helper()
	limits := &terms{allowance: f.firm.allowance}
	limits.firstMonth = limits.month(f.zero.UnixMicro())
	return strings.Join(explain(f.firm, limits, &f.eras, f.books).check(t.TempDir()), "\n")
}

// TestCheckerBelieves shows the checker histories in which everything is right.
func TestCheckerBelieves(t *testing.T) {
	for name, change := range map[string]func(*fiction){
		"as it was": func(*fiction) {},
		"a refusal that is right": func(f *fiction) {
			f.refuse(4, &meterv1.ReserveRequest{RequestId: "more", MemberId: "seat-0", EstimateMicros: 31},
				codes.ResourceExhausted, "POOL_EMPTY", map[string]string{
					"needed_micros": "31", "allowance_room_micros": "0", "resets_at": f.month(1).AsTime().Format(time.RFC3339),
				})
		},
		"nobody heard of the commit": func(f *fiction) {
			a := f.firm.history.attempts[3]
			a.answer, a.code = nil, codes.Unavailable
		},
		"a top-up that never was": func(f *fiction) {
			a := f.say(4, &meterv1.TopUpRequest{RequestId: "gone", AmountMicros: 5}, nil)
			a.answer, a.code = nil, codes.DeadlineExceeded
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := tell()
			change(f)
			if found := f.check(t); found != "" {
				t.Error(found)
			}
		})
	}
}

// lies are what a checker must not believe, each with a part of what it must say.
var lies = map[string]struct {
	tell func(*fiction)
	says string
}{
	"a stale read": {func(f *fiction) {
		f.say(7, &meterv1.GetPoolRequest{}, &meterv1.GetPoolResponse{Pool: f.pool(50, 20, 0)})
	}, "NOT LINEARIZABLE"},
	"a read of the future": {func(f *fiction) {
		f.say(4, &meterv1.GetPoolRequest{}, &meterv1.GetPoolResponse{Pool: f.pool(40, 0, 10)})
	}, "NOT LINEARIZABLE"},
	"a lost reservation": {func(f *fiction) { f.books.reservations = nil; f.books.entries = f.books.entries[:1] }, "LOST"},
	"a lost top-up": {func(f *fiction) {
		f.say(4, &meterv1.TopUpRequest{RequestId: "more", AmountMicros: 5}, &meterv1.TopUpResponse{
			Entry: &meterv1.LedgerEntry{Sequence: 4}, Pool: f.pool(45, 20, 0),
		})
	}, "LOST"},
	"a commit undone": {func(f *fiction) {
		changed, _ := proto.Clone(f.books.reservations[0]).(*meterv1.Reservation)
		changed.Charge = &meterv1.Charge{ActualMicros: 110, AllowanceMicros: 90, PoolMicros: 20}
		f.books.reservations[0] = changed
	}, "LOST"},
	"a charge entered twice": {func(f *fiction) {
		f.charge(4, meterv1.LedgerEntryKind_LEDGER_ENTRY_KIND_POOL_CHARGE, 10, 30)
	}, "charged twice"},
	"a top-up applied twice": {func(f *fiction) {
		again, _ := proto.Clone(f.books.entries[0]).(*meterv1.LedgerEntry)
		again.Sequence = 4
		f.books.entries = append(f.books.entries, again)
	}, "applied twice"},
	"the pool before the allowance": {func(f *fiction) {
		for _, r := range []*meterv1.Reservation{f.books.reservations[0]} {
			r.HeldAllowanceMicros, r.HeldPoolMicros = 90, 30
		}
	}, "NOT LINEARIZABLE"},
	"a refusal though there was room": {func(f *fiction) {
		f.refuse(4, &meterv1.ReserveRequest{RequestId: "more", MemberId: "seat-0", EstimateMicros: 30},
			codes.ResourceExhausted, "POOL_EMPTY", map[string]string{})
	}, "NOT LINEARIZABLE"},
	"another reason": {func(f *fiction) {
		f.refuse(4, &meterv1.ReserveRequest{RequestId: "more", MemberId: "seat-0", EstimateMicros: 31},
			codes.ResourceExhausted, "MEMBER_CAP_REACHED", map[string]string{})
	}, "NOT LINEARIZABLE"},
	"a write that nobody asked for": {func(f *fiction) {
		f.firm.history.attempts = append(f.firm.history.attempts[:3], f.firm.history.attempts[4:]...)
	}, "nobody asked"},
	"a write before it was asked for": {func(f *fiction) {
		f.books.entries[0].At = f.at(0)
	}, "nobody asked"},
	"a hold that outlives its time": {func(f *fiction) {
		f.books.reservations[0].State = meterv1.ReservationState_RESERVATION_STATE_HELD
	}, "stands yet"},
	"a grant that never was": {func(f *fiction) {
		f.say(4, &meterv1.RevokeAccessRequest{MemberId: "seat-1"}, &meterv1.RevokeAccessResponse{
			Member: &meterv1.Member{MemberId: "seat-1", Access: &meterv1.Access{Kind: noAccess}},
		})
	}, "LOST: acknowledged, but it is no change of access"},
	"a grant made twice": {func(f *fiction) {
		again := &meterv1.AccessChange{
			MemberId: "seat-0", At: f.at(2), Before: &meterv1.Access{Kind: unlimited}, After: &meterv1.Access{Kind: unlimited},
		}
		f.books.changes = append(f.books.changes, again)
	}, "applied twice"},
	"a change of access that is not listed": {func(f *fiction) { f.books.listed = nil }, "is listed -1 times more"},
	"other content taken for a retry": {func(f *fiction) {
		f.say(4, &meterv1.TopUpRequest{RequestId: "pack", AmountMicros: 60}, &meterv1.TopUpResponse{
			Entry: f.books.entries[0], Pool: f.pool(50, 20, 0),
		})
	}, "MISTAKEN"},
	"an answer about another": {func(f *fiction) {
		f.say(7, &meterv1.GetMeterRequest{MemberId: "seat-1"}, &meterv1.GetMeterResponse{Meter: f.meter(100, 0, 10, 0)})
	}, "MISTAKEN"},
	"an answer that no fault excuses": {func(f *fiction) {
		f.refuse(4, &meterv1.GetPoolRequest{}, codes.Internal, "INTERNAL", nil)
	}, "no fault excuses"},
}

// TestCheckerDisbelieves shows the checker histories in which one thing is wrong: a checker that cannot fail proves
// nothing.
func TestCheckerDisbelieves(t *testing.T) {
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			f := tell()
			lie.tell(f)
			if found := f.check(t); !strings.Contains(found, lie.says) {
				t.Errorf("it says %q, and should say %s", found, lie.says)
			}
		})
	}
}

// TestShelfCopies sees that a change of one copy of a shelf shows in no other, and that equal shelves hash alike.
func TestShelfCopies(t *testing.T) {
	one := newShelf[int](3 * shelfBoard)
	other := one
	other.put(2*shelfBoard, 7)
	if one.get(2*shelfBoard) != 0 || other.get(2*shelfBoard) != 7 || one.equal(&other) {
		t.Error(fmt.Sprint("a change of one shows in the other: ", one, other))
	}
	other.put(2*shelfBoard, 0)
	if !one.equal(&other) || one.hash != other.hash {
		t.Error("changed back, they differ")
	}
}
