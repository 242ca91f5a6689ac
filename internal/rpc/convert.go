package rpc

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

type (
	timestamp = timestamppb.Timestamp
	duration  = durationpb.Duration
)

// resolution is that of the moments the service keeps. Finer parts are cut off here, so that the first answer shows what
// every later one will.
const resolution = time.Microsecond

// number converts between an enum of the rules and the contract's: their numbers are the same, and a test holds them to
// it.
func number[To, From ~int16 | ~int32](n From) To { return To(n) }

// moment is a time as the contract says it; the zero time is unset.
func moment(t time.Time) *timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func momentOf(t *timestamp) time.Time { return t.AsTime().Truncate(resolution) }

// durationOf is a span as the rules take it; unset is 0.
func durationOf(d *duration) time.Duration { return d.AsDuration().Truncate(resolution) }

// each converts a list. An empty one stays nil.
func each[From, To any](from []From, convert func(From) To) []To {
	var to []To
	for _, f := range from {
		to = append(to, convert(f))
	}
	return to
}
