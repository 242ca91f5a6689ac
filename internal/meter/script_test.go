package meter_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spillway-metering/spillway/internal/meter"
)

// TestRules plays the text tables of testdata/rules, whose language testdata/README.md explains. Each is played three
// times: a batch for every command, one batch for all commands that follow each other, and every command twice. It must
// make no difference.
func TestRules(t *testing.T) {
	names, err := filepath.Glob("testdata/rules/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("there are no rules to test: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			alone, together := play(t, name, oneByOne), play(t, name, allAtOnce)
			play(t, name, twice)
			for i := range alone {
				if alone[i] != together[i] {
					t.Errorf("the batch makes a difference:\nalone    %s\ntogether %s", alone[i], together[i])
				}
			}
		})
	}
}

// manner is how a script's commands reach the rules.
type manner string

const (
	oneByOne  manner = "one by one"
	allAtOnce manner = "all at once"
	twice     manner = "each twice"
)

// script is a text table being played.
type script struct {
	t       *testing.T
	name    string
	manner  manner
	store   *memory
	now     time.Time
	org     string // The organization that is spoken of.
	waiting []pending
	answers []string
}

// pending is a command that waits for its batch.
type pending struct {
	request *request
	command meter.Command
}

// play plays a file and answers what was answered, line by line.
func play(t *testing.T, name string, how manner) []string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, name: name, manner: how, store: newMemory(), now: moment(t, "2026-02-10T12:00:00Z")}
	for i, line := range strings.Split(string(text), "\n") {
		if r := parseRequest(t, name, i+1, line); r != nil {
			s.line(r)
		}
	}
	s.flush()
	if len(s.answers) == 0 {
		t.Fatalf("%s asks for nothing", name)
	}
	return s.answers
}

func (s *script) line(r *request) {
	s.t.Helper()
	if command, ok := commands[r.verb]; ok {
		s.waiting = append(s.waiting, pending{r, command(s, r)})
		r.done()
		if s.manner != allAtOnce {
			s.flush()
		}
		return
	}
	s.flush()
	if stage, ok := stages[r.verb]; ok {
		stage(s, r)
		r.done()
		return
	}
	view, ok := views[r.verb]
	if !ok {
		r.fail("%q is no verb", r.verb)
	}
	answer := view(s, r)
	r.done()
	s.check(r, answer)
}

// flush applies the commands that wait, as one batch.
func (s *script) flush() {
	s.t.Helper()
	if len(s.waiting) == 0 {
		return
	}
	batch := s.waiting
	s.waiting = nil
	var values []meter.Command
	for _, p := range batch {
		values = append(values, p.command)
	}
	for i, result := range s.store.apply(s.t, s.now, values...) {
		s.check(batch[i].request, s.answerOf(values[i], result))
	}
	if s.manner == twice {
		s.again(batch)
	}
}

// again sends a command once more: as after a COMMIT of which nobody knows whether it went through.
func (s *script) again(batch []pending) {
	s.t.Helper()
	before := s.store.clone()
	for _, p := range batch {
		s.check(p.request, s.answerOf(p.command, s.store.apply(s.t, s.now, p.command)[0]))
	}
	if !reflect.DeepEqual(before, s.store) {
		batch[0].request.fail("sent again, it changed something")
	}
}

// check compares an answer with what the line expects.
func (s *script) check(r *request, a answer) {
	s.t.Helper()
	s.answers = append(s.answers, a.String())
	if complaint := a.differs(r.expected); complaint != "" {
		s.t.Errorf("%s:%d (%s): %s\n  %s\n  got %s", s.name, r.number, s.manner, complaint, r.text, a)
	}
}

// organization is the one spoken of.
func (s *script) organization() meter.Organization { return s.store.firm(s.org).organization[s.org] }

// zone is where the people of the organization live; UTC until there is one.
func (s *script) zone() *time.Location {
	if zone := s.organization().Calendar.Anchor.Zone; zone != nil {
		return zone
	}
	return time.UTC
}
