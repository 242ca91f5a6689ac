package meter_test

import (
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

func TestDateValid(t *testing.T) {
	for _, test := range []struct {
		date meter.Date
		want bool
	}{
		{meter.Date{Year: 2026, Month: time.January, Day: 31}, true},
		{meter.Date{Year: 1, Month: time.January, Day: 1}, true},
		{meter.Date{Year: 9999, Month: time.December, Day: 31}, true},
		{meter.Date{Year: 2000, Month: time.February, Day: 29}, true},
		{meter.Date{Year: 1900, Month: time.February, Day: 29}, false},
		{meter.Date{Year: 2026, Month: time.April, Day: 31}, false},
		{meter.Date{Year: 2026, Month: time.January, Day: 0}, false},
		{meter.Date{Year: 2026, Month: time.January, Day: -1}, false},
		{meter.Date{Year: 2026, Month: 0, Day: 1}, false},
		{meter.Date{Year: 2026, Month: 13, Day: 1}, false},
		{meter.Date{Year: 0, Month: time.January, Day: 1}, false},
		{meter.Date{Year: 10000, Month: time.January, Day: 1}, false},
		{meter.Date{Year: -1, Month: time.January, Day: 1}, false},
		{meter.Date{}, false},
	} {
		if got := test.date.Valid(); got != test.want {
			t.Errorf("%#v: Valid() = %t, want %t", test.date, got, test.want)
		}
	}
}

func TestDateString(t *testing.T) {
	for want, date := range map[string]meter.Date{
		"2026-01-31": {Year: 2026, Month: time.January, Day: 31},
		"0001-12-01": {Year: 1, Month: time.December, Day: 1},
	} {
		if got := date.String(); got != want {
			t.Errorf("%#v: String() = %s, want %s", date, got, want)
		}
	}
}

func TestLoadZone(t *testing.T) {
	for _, name := range []string{"UTC", "Europe/Paris", "Etc/GMT-3", "Pacific/Apia"} {
		zone, err := meter.LoadZone(name)
		if err != nil || zone.String() != name {
			t.Errorf("LoadZone(%q) = %v, %v", name, zone, err)
		}
		if again, _ := meter.LoadZone(name); again != zone {
			t.Errorf("LoadZone(%q) gave another location the second time", name)
		}
	}
}

func TestLoadZoneRefuses(t *testing.T) {
	for _, name := range []string{
		"", "Local", "localtime", "posixrules", "Mars/Olympus", "+02:00", "CEST", "../etc/passwd", "/etc/localtime", " UTC", "zone.tab",
	} {
		if zone, err := meter.LoadZone(name); err == nil {
			t.Errorf("LoadZone(%q) = %v, want an error", name, zone)
		}
	}
}

// Zones are machine-wide: many callers load the same one at once, and all get the same location.
func TestLoadZoneAtOnce(t *testing.T) {
	const callers = 16
	found := make(chan *time.Location, callers)
	for range callers {
		go func() {
			zone, _ := meter.LoadZone("Indian/Chagos")
			found <- zone
		}()
	}
	first := <-found
	for range callers - 1 {
		if zone := <-found; zone == nil || zone != first {
			t.Errorf("got %p, another caller got %p", zone, first)
		}
	}
}
