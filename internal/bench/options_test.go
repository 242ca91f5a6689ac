package bench

import (
	"context"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreValid(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
}

func TestWrongOptionsAreOneLine(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"a number of callers":     func(o *Options) { o.Callers = nil },
		"number of organizations": func(o *Options) { o.Organizations = nil },
		"callers must be":         func(o *Options) { o.Callers = []int{1, 0} },
		"organizations must be":   func(o *Options) { o.Organizations = []int{-1} },
		"seats must be":           func(o *Options) { o.Seats = -1 },
		"connections must be":     func(o *Options) { o.Connections = 0 },
		"duration must be":        func(o *Options) { o.Duration = 0 },
		"warmup must be":          func(o *Options) { o.Warmup = -time.Second },
		"rate must be":            func(o *Options) { o.Rate = -1 },
		"--identity starts":       func(o *Options) { o.Address, o.Identity = "127.0.0.1:1", true },
		"no meterd to measure":    func(o *Options) { o.Meterd = "/does/not/exist" },
		"no meterd beside":        func(o *Options) { o.Meterd = "" },
		"URL cannot be read":      func(o *Options) { o.Address, o.DatabaseURL = "127.0.0.1:1", "::" },
		"address cannot be read":  func(o *Options) { o.Address = "\x00" },
		"making a plan":           func(o *Options) { o.Address = "127.0.0.1:1" },
	} {
		options := Defaults()
		change(&options)
		report, err := Run(context.Background(), options)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("got error %q, want one line with %q", err, want)
		}
		if report != nil {
			t.Errorf("%s: there is a report of a run that never began", want)
		}
	}
}

func TestOrganizationsShareTheSeats(t *testing.T) {
	o := Defaults()
	if hot, many := o.seatsOf(1), o.seatsOf(1000); hot != 64 || many != 1 {
		t.Errorf("got %d and %d seats, want 64 and 1", hot, many)
	}
	o.Seats = 2000
	if hot, many := o.seatsOf(1), o.seatsOf(1000); hot != 2000 || many != 2 {
		t.Errorf("got %d and %d seats, want those that were asked for in equal parts", hot, many)
	}
}

// Defaults are the options of half a minute on one hot organization.
func Defaults() Options {
	return Options{
		Callers: []int{256}, Organizations: []int{1}, Connections: 4,
		Duration: 10 * time.Second, Warmup: time.Second, Ceilings: true,
	}
}
