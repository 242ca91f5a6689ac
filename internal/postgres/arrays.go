package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/spillway-metering/spillway/internal/meter"
)

// arrayCodec writes the columns of a batch, which pgx would write value by value through an interface, with an allocation
// for most of them. What it has no plan for, and all that is read, is left to pgx.
type arrayCodec struct {
	pgtype.Codec
	plans []columnPlan
}

// columnPlan writes slices of one type in PostgreSQL's binary format of arrays.
type columnPlan interface {
	pgtype.EncodePlan
	takes(value any) bool
}

// PlanEncode is asked by pgx how to write a value.
func (c arrayCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if format == pgtype.BinaryFormatCode {
		for _, plan := range c.plans {
			if plan.takes(value) {
				return plan
			}
		}
	}
	return c.Codec.PlanEncode(m, oid, format, value)
}

// writeArrays has a connection write the types of columns that batches are made of by arrayCodec.
func writeArrays(m *pgtype.Map) {
	for oid, plans := range map[uint32][]columnPlan{
		pgtype.BoolArrayOID:        {columnOf[bool]{pgtype.BoolOID, 1, appendBool}},
		pgtype.Int2ArrayOID:        {columnOf[int16]{pgtype.Int2OID, 2, appendInt16}},
		pgtype.Int8ArrayOID:        {columnOf[int64]{pgtype.Int8OID, 8, appendInt64}, orNulls(pgtype.Int8OID, 8, appendInt64)},
		pgtype.TextArrayOID:        {columnOf[string]{pgtype.TextOID, 24, appendText}, orNulls(pgtype.TextOID, 24, appendText)},
		pgtype.UUIDArrayOID:        {columnOf[meter.UUID]{pgtype.UUIDOID, 16, appendUUID}, orNulls(pgtype.UUIDOID, 16, appendUUID)},
		pgtype.ByteaArrayOID:       {columnOf[[]byte]{pgtype.ByteaOID, 32, appendBytes}},
		pgtype.TimestamptzArrayOID: {columnOf[time.Time]{pgtype.TimestamptzOID, 8, appendTime}, orNulls(pgtype.TimestamptzOID, 8, appendTime)},
	} {
		t, _ := m.TypeForOID(oid)
		m.RegisterType(&pgtype.Type{Name: t.Name, OID: oid, Codec: arrayCodec{t.Codec, plans}})
	}
}

// columnOf writes []V. append adds a value with its length before it; size is what a value is expected to take.
type columnOf[V any] struct {
	element uint32 // PostgreSQL's number for the type of the values.
	size    int
	append  func([]byte, V) []byte
}

func (columnOf[V]) takes(value any) bool {
	_, is := value.([]V)
	return is
}

// Encode is how pgx has a value written.
func (c columnOf[V]) Encode(value any, to []byte) ([]byte, error) {
	values := value.([]V)
	to = slices.Grow(to, 20+len(values)*(4+c.size))
	to = appendArrayHeader(to, c.element, len(values))
	for _, v := range values {
		to = c.append(to, v)
	}
	return to, nil
}

// orNulls writes []*V.
func orNulls[V any](element uint32, size int, appendValue func([]byte, V) []byte) columnPlan {
	return columnOf[*V]{element, size, func(to []byte, v *V) []byte {
		if v == nil {
			return appendNull(to)
		}
		return appendValue(to, *v)
	}}
}

// appendArrayHeader begins an array of one dimension, which counts from 1. That it holds a NULL need not be told before.
func appendArrayHeader(to []byte, element uint32, length int) []byte {
	dimensions := min(length, 1) // An empty array has none.
	to = binary.BigEndian.AppendUint32(to, uint32(dimensions))
	to = binary.BigEndian.AppendUint32(to, 0)
	to = binary.BigEndian.AppendUint32(to, element)
	if dimensions > 0 {
		to = binary.BigEndian.AppendUint32(to, uint32(length))
		to = binary.BigEndian.AppendUint32(to, 1)
	}
	return to
}

func appendNull(to []byte) []byte { return appendLength(to, -1) }

func appendLength(to []byte, length int) []byte {
	return binary.BigEndian.AppendUint32(to, uint32(length))
}

func appendBool(to []byte, v bool) []byte {
	if v {
		return append(to, 0, 0, 0, 1, 1)
	}
	return append(to, 0, 0, 0, 1, 0)
}

func appendInt16(to []byte, v int16) []byte {
	return binary.BigEndian.AppendUint16(appendLength(to, 2), uint16(v))
}

func appendInt64(to []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(appendLength(to, 8), uint64(v))
}

func appendText(to []byte, v string) []byte { return append(appendLength(to, len(v)), v...) }

func appendUUID(to []byte, v meter.UUID) []byte { return append(appendLength(to, len(v)), v[:]...) }

func appendBytes(to, v []byte) []byte {
	if v == nil {
		return appendNull(to)
	}
	return append(appendLength(to, len(v)), v...)
}

// epoch is where PostgreSQL counts microseconds from.
var epoch = time.Date(2000, time.January, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func appendTime(to []byte, v time.Time) []byte { return appendInt64(to, v.UnixMicro()-epoch) }
