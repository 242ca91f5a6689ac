package main

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongFlagsAreOneLine(t *testing.T) {
	for _, args := range [][]string{
		{"--callers=0"},
		{"--callers=many"},
		{"--organizations=1,-1"},
		{"--duration=1"},
		{"--duration=0s"},
		{"--rate=-1"},
		{"--connections=0"},
		{"--meterd=/does/not/exist"},
		{"--address=127.0.0.1:1", "--database-url=postgres://127.0.0.1:1/x"},
		{"--address=127.0.0.1:1", "--identity"},
		{"--overload", "--noisy"},
		{"--overload", "--address=127.0.0.1:1"},
		{"--noisy", "--rate=5"},
		{"--noisy", "--quiet=-1"},
		{"--overload", "--lanes=0"},
		{"--unknown"},
		{"stray"},
	} {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), args, &stdout, &stderr)
		if err == nil || strings.Contains(oneLine(err), "\n") || stdout.Len() > 0 {
			t.Errorf("%v: got error %v and %q on stdout", args, err, stdout.String())
		}
	}
}

func TestHelpListsTheFlags(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &stdout, &stderr); err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--address", "--callers=256", "--organizations=1", "--rate", "--duration=10s", "--json", "--overload", "--noisy", "--quiet=20", "--lanes"} {
		if !strings.Contains(stdout.String(), flag) {
			t.Errorf("%s is not in the help:\n%s", flag, stdout.String())
		}
	}
}

// TestOneObject runs the whole program against a meterd of its own with a private PostgreSQL.
func TestOneObject(t *testing.T) {
	meterd := filepath.Join(t.TempDir(), "meterd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", meterd, "../meterd").CombinedOutput(); err != nil {
		t.Fatalf("building meterd: %v\n%s", err, out)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"--meterd=" + meterd, "--callers=1,8", "--duration=300ms", "--warmup=100ms", "--seats=4", "--json"}
	if err := run(t.Context(), args, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var object struct {
		Callers int
		Turns   float64 `json:"turns_per_second"`
		Naive   float64 `json:"naive_turns_per_second"`
		Empty   float64 `json:"empty_calls_per_second"`
		Errors  *int
		Runs    []struct{ Callers int }
	}
	decoder := json.NewDecoder(&stdout)
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	if object.Callers != 1 || object.Turns <= 0 || object.Naive <= 0 || object.Empty <= 0 || object.Errors == nil {
		t.Errorf("got %+v", object)
	}
	if len(object.Runs) != 2 || object.Runs[1].Callers != 8 {
		t.Errorf("got runs %+v", object.Runs)
	}
	if decoder.More() {
		t.Error("there is more than one object")
	}
}

// TestLoadsAreOneObject runs both loads as the whole program.
func TestLoadsAreOneObject(t *testing.T) {
	meterd := filepath.Join(t.TempDir(), "meterd")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", meterd, "../meterd").CombinedOutput(); err != nil {
		t.Fatalf("building meterd: %v\n%s", err, out)
	}
	for load, wants := range map[string][]string{
		"--overload": {"capacity", "rows", "ratios", "runs"},
		"--noisy":    {"with", "without", "spread", "quiet_p99_with_to_without", "runs"},
	} {
		var stdout, stderr bytes.Buffer
		args := []string{load, "--meterd=" + meterd, "--duration=300ms", "--warmup=100ms", "--seats=4", "--quiet=2", "--json"}
		if err := run(t.Context(), args, &stdout, &stderr); err != nil {
			t.Fatalf("%s: %v\n%s", load, err, stderr.String())
		}
		var object map[string]any
		if err := json.Unmarshal(stdout.Bytes(), &object); err != nil {
			t.Fatal(err)
		}
		for _, name := range wants {
			if _, ok := object[name]; !ok {
				t.Errorf("%s: %s is missing: %s", load, name, stdout.String())
			}
		}
	}
}
