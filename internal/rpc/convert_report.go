package rpc

import (
	"time"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

func usageReportMessage(
	q meter.UsageQuery, r meter.UsageReport, rows []meter.UsageRow, next string,
) *meterv1.ReportUsageResponse {
	out := &meterv1.ReportUsageResponse{
		Rows: each(rows, usageRowMessage), Totals: figuresMessage(r.Totals), From: moment(r.Span.Start), To: moment(r.Span.End),
		TimeZone: r.Zone.String(), Unit: number[meterv1.Unit](r.Unit), NextPageToken: next,
	}
	if q.Grouping == meter.UsageByLabel {
		out.Unlabelled = figuresMessage(r.Unlabelled)
	}
	return out
}

func usageRowMessage(r meter.UsageRow) *meterv1.UsageRow {
	return &meterv1.UsageRow{
		Value: r.Value, DisplayName: r.DisplayName, StartsAt: moment(r.Day.Start), EndsAt: moment(r.Day.End),
		PoolBalanceMicros: (*int64)(r.Balance), Figures: figuresMessage(r.UsageFigures),
	}
}

func figuresMessage(f meter.UsageFigures) *meterv1.UsageFigures {
	out := &meterv1.UsageFigures{
		Turns: f.Turns, FailedTurns: f.Failed, ExpiredTurns: f.Expired, LateTurns: f.Late, RefusedTurns: f.Refused.Total(),
		TokenUsage: tokensMessage(f.Tokens), AllowanceMicros: int64(f.Allowance), PoolMicros: int64(f.Pool),
		OverrunMicros: int64(f.Overrun), ActualMicros: int64(f.Actual()),
	}
	for i, n := range f.Refused {
		if n != 0 {
			out.Refusals = append(out.Refusals, &meterv1.RefusedTurns{Reason: string(meter.Refusals[i]), Turns: n})
		}
	}
	return out
}

func runwayMessage(r meter.Runway) *meterv1.Runway {
	return &meterv1.Runway{
		OrganizationId: r.OrganizationID, Unit: number[meterv1.Unit](r.Unit), Basis: basisMessage(r),
		PoolBalanceMicros: int64(r.Balance), PoolEmptyAt: moment(r.EmptyAt), PoolEmptyOn: dayMessage(r.EmptyAt, r.Zone),
		ResetsAt: moment(r.ResetsAt), StoppedSeats: int64(r.Stopped), Seats: each(r.Seats, seatRunwayMessage),
		DrawingSeatsCount: int64(r.Drawing), DrawingSeats: each(r.DrawingSeats, seatRunwayMessage),
	}
}

func basisMessage(r meter.Runway) *meterv1.RunwayBasis {
	b := r.Basis
	return &meterv1.RunwayBasis{
		From: moment(b.Start), To: moment(b.End), Days: int32(b.Days), //nolint:gosec // At most as many as are asked for.
		Turns: b.Turns, PoolMicros: int64(b.Pool), DailyPoolMicros: int64(b.Daily), GeneratedAt: moment(b.At),
		TimeZone: r.Zone.String(),
	}
}

func seatRunwayMessage(s meter.SeatRunway) *meterv1.SeatRunway {
	out := &meterv1.SeatRunway{
		MemberId: s.MemberID, DisplayName: s.DisplayName, Access: accessMessage(s.Access), DailyMicros: int64(s.Daily),
		AllowanceRemainingMicros: int64(s.Remaining), AllowanceExhaustedAt: moment(s.AllowanceAt),
		CapReachedAt: moment(s.CapAt), StoppedAt: moment(s.StoppedAt), StoppedBy: string(s.StoppedBy),
	}
	if s.Access.Kind == meter.AccessCapped {
		out.CapRemainingMicros = (*int64)(&s.CapRemaining)
	}
	return out
}

// dayMessage is the date that a zone's clocks show at a moment; unset as the moment is.
func dayMessage(t time.Time, zone *time.Location) *meterv1.Date {
	if t.IsZero() {
		return nil
	}
	return dateMessage(meter.DateOf(t, zone))
}
