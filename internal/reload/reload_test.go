package reload

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// pair is a value of two files that must agree, as a certificate and its key must.
func pair(contents [][]byte) (string, error) {
	if !bytes.Equal(contents[0], contents[1]) {
		return "", errors.New("they do not agree")
	}
	return string(contents[0]), nil
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLook follows two files through everything that may befall them.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	write(t, a, "1")
	write(t, b, "1")
	var log bytes.Buffer
	files, err := Open(slog.New(slog.NewTextHandler(&log, nil)), pair, a, b)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		does func()
		want string
		logs string // Empty: nothing.
	}{
		{func() {}, "1", ""},
		{func() { write(t, a, "2") }, "1", "do not agree"},
		{func() {}, "1", ""},
		{func() { write(t, b, "2") }, "2", "in use"},
		{func() { _ = os.Remove(a) }, "2", "no such file"},
		{func() {}, "2", ""},
		{func() { write(t, a, "2") }, "2", "in use"},
		{func() { write(t, a, ""); write(t, b, "22") }, "2", "do not agree"},
	} {
		log.Reset()
		step.does()
		if got := files.Look(); got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
		if said := log.String(); (step.logs == "") != (said == "") || !strings.Contains(said, step.logs) {
			t.Errorf("it logs %q, want %q", said, step.logs)
		}
	}
}

// TestGet sees a change after the interval at the latest, and does not look at the files at every call.
func TestGet(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	write(t, path, "1")
	reads := 0
	files, err := Open(slog.New(slog.DiscardHandler), func(contents [][]byte) (string, error) {
		reads++
		return string(contents[0]), nil
	}, path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "2")
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	gets := 0
	for ; files.Get() != "2"; gets++ {
		if time.Since(files.opened) > 10*Interval {
			t.Fatal("the change is never seen")
		}
		<-ticker.C
	}
	if took := time.Since(files.opened); took < Interval || gets < 10 || reads != 2 {
		t.Errorf("seen after %v, %d calls and %d reads", took, gets, reads)
	}
}

// TestOpen fails where there is no value.
func TestOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	logger := slog.New(slog.DiscardHandler)
	if _, err := Open(logger, pair, path, path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(t, path, "1")
	fails := func([][]byte) (int, error) { return 0, errors.New("no number") }
	if _, err := Open(logger, fails, path); err == nil || !strings.Contains(err.Error(), path+": no number") {
		t.Errorf("a bad file: %v", err)
	}
}
