package replay

import (
	"strings"
	"testing"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

func TestAnotherTopUpOfTheSameTraceIsAnError(t *testing.T) {
	o := options(t, newFake())
	run(t, o)
	o.Pool = 1
	if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another prefix") {
		t.Errorf("got %v", err)
	}
	o.Prefix = "fresh-"
	if _, err := Run(t.Context(), o); err != nil {
		t.Errorf("with another prefix: %v", err)
	}
}

func TestSetupGivesWhatWasAskedFor(t *testing.T) {
	f := newFake()
	o := options(t, f)
	o.OneOrganization, o.Prefix, o.Limit, o.Pool = true, "hot-", 10, 0
	o.Access = Access{Kind: meterv1.AccessKind_ACCESS_KIND_CAPPED, CapMicros: 7}
	report := run(t, o)
	if report.Turns != 10 || report.Organizations != 1 || len(f.pools) != 1 || len(f.topUps) != 0 {
		t.Errorf("got %+v, pools %v, top-ups %v", report, f.pools, f.topUps)
	}
	if plan := f.plans["hot-plan"]; plan.GetSeatAllowanceMicros() != 20_000 {
		t.Errorf("plans %v", f.plans)
	}
	for member, kind := range f.access {
		if member.organizationID != "hot-all" || kind != meterv1.AccessKind_ACCESS_KIND_CAPPED {
			t.Errorf("%v has %v", member, kind)
		}
	}
	if len(f.access) != report.Seats || report.Seats < 2 {
		t.Errorf("%d seats, %d of them with access", report.Seats, len(f.access))
	}
}

func TestTracesThatCannotBeReplayedAreRefused(t *testing.T) {
	const header = "trace,row,t_ms,input_tokens,output_tokens,failed,model,session,duration_ms\n"
	for text, want := range map[string]string{
		header:                                  "no turn in it",
		header + "a/b,1,0,1,1,0,,,\n":           `"a/b:1" cannot be an id`,
		header + "a,1,0,1,1,,,,\na,1,1,1,1,,,,": "row 1 stands there twice",
		header + "a,1,0,1,x,0,,,\n":             "column output_tokens",
	} {
		o := Defaults()
		o.Trace = write(t, text)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"speed":           func(o *Options) { o.Speed = -1 },
		"one caller":      func(o *Options) { o.Callers = 0 },
		"one connection":  func(o *Options) { o.Connections = 0 },
		"limit":           func(o *Options) { o.Limit = -1 },
		"output maximum":  func(o *Options) { o.OutputMaximum = -1 },
		"failure rate":    func(o *Options) { o.FailureRate = 1.5 },
		"prefix":          func(o *Options) { o.Prefix = "a b" },
		"time limit":      func(o *Options) { o.CallTimeout = 0 },
		"not be negative": func(o *Options) { o.RetryFor = -1 },
	} {
		o := Defaults()
		o.Trace = made(t)
		change(&o)
		if _, err := Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
}
