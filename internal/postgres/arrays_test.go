package postgres_test

import (
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/postgres"
)

// TestColumnsAreWrittenAsPgxWouldReadThem writes columns of every type that batches are made of, and has pgx read them.
func TestColumnsAreWrittenAsPgxWouldReadThem(t *testing.T) {
	id, other := newID(), newID()
	some, most := int64(-1), int64(math.MaxInt64)
	empty, text := "", "ein Wort, ✓ \"quoted\" {1,NULL}"
	at, early := time.Date(2026, 2, 28, 23, 59, 59, 999_999_000, time.UTC), time.Date(1999, 12, 31, 23, 59, 59, 1_000, time.UTC)
	for _, c := range []struct {
		oid     uint32
		columns []any
	}{
		{pgtype.BoolArrayOID, []any{[]bool{true, false, true}}},
		{pgtype.Int2ArrayOID, []any{[]int16{0, -1, math.MaxInt16, math.MinInt16}}},
		{pgtype.Int8ArrayOID, []any{[]int64{0, some, most, math.MinInt64}, []*int64{nil, &some, &most, nil}}},
		{pgtype.TextArrayOID, []any{[]string{empty, text, "NULL"}, []*string{&text, nil, &empty}}},
		{pgtype.UUIDArrayOID, []any{[]meter.UUID{id, {}, other}, []*meter.UUID{nil, &id, nil, &other}}},
		{pgtype.ByteaArrayOID, []any{[][]byte{{}, {0, 255}, nil, id[:]}}},
		{pgtype.TimestamptzArrayOID, []any{[]time.Time{at, early}, []*time.Time{nil, &at, &early}}},
	} {
		for _, column := range c.columns {
			whole := reflect.ValueOf(column)
			for length := range whole.Len() + 1 {
				want := whole.Slice(0, length).Interface()
				if got := rewritten(t, c.oid, want); !reflect.DeepEqual(got, want) {
					t.Errorf("%#v comes back as %#v", want, got)
				}
			}
		}
	}
}

// TestTimesAreWrittenInAnyZone has a column written from another zone than it is read in.
func TestTimesAreWrittenInAnyZone(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 123_456_789, zone(t, "Asia/Kathmandu"))
	got := rewritten(t, pgtype.TimestamptzArrayOID, []time.Time{at}).([]time.Time)
	if want := at.UTC().Truncate(time.Microsecond); !got[0].Equal(want) {
		t.Errorf("%v comes back as %v", at, got[0])
	}
}

// TestColumnsThatAreNoneOfABatchAreLeftToPgx writes what there is no plan for.
func TestColumnsThatAreNoneOfABatchAreLeftToPgx(t *testing.T) {
	for _, c := range []struct {
		oid  uint32
		want any
	}{
		{pgtype.Int8ArrayOID, []int32{1, 2}}, {pgtype.Int4ArrayOID, []int64{3, 4}}, {pgtype.JSONBArrayOID, []map[string]string{{"a": "b"}, nil}},
	} {
		if got := rewritten(t, c.oid, c.want); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%#v comes back as %#v", c.want, got)
		}
	}
}

// rewritten writes a column as a lane's connection does, and reads it as pgx does by itself.
func rewritten(t *testing.T, oid uint32, column any) any {
	t.Helper()
	writing := pgtype.NewMap()
	postgres.WriteArrays(writing)
	written, err := writing.Encode(oid, pgtype.BinaryFormatCode, column, []byte{})
	must(t, err)
	read := reflect.New(reflect.TypeOf(column))
	must(t, pgtype.NewMap().Scan(oid, pgtype.BinaryFormatCode, written, read.Interface()))
	inUTC(read.Interface())
	return read.Elem().Interface()
}

// inUTC has times compare equal that are.
func inUTC(column any) {
	switch times := column.(type) {
	case *[]time.Time:
		for i := range *times {
			(*times)[i] = (*times)[i].UTC()
		}
	case *[]*time.Time:
		for _, at := range *times {
			if at != nil {
				*at = at.UTC()
			}
		}
	}
}

// TestColumnsAreWrittenAtOnce has a column cost as many allocations as a value.
func TestColumnsAreWrittenAtOnce(t *testing.T) {
	m := pgtype.NewMap()
	postgres.WriteArrays(m)
	to := make([]byte, 0, 1<<16)
	for oid, column := range map[uint32]any{
		pgtype.Int8ArrayOID: make([]int64, 1000), pgtype.TextArrayOID: make([]*string, 1000), pgtype.UUIDArrayOID: make([]meter.UUID, 1000),
		pgtype.TimestamptzArrayOID: make([]*time.Time, 1000), pgtype.ByteaArrayOID: make([][]byte, 1000),
	} {
		allocations := testing.AllocsPerRun(100, func() {
			if _, err := m.Encode(oid, pgtype.BinaryFormatCode, column, to); err != nil {
				t.Fatal(err)
			}
		})
		if allocations > 10 {
			t.Errorf("%T costs %v allocations", column, allocations)
		}
	}
}
