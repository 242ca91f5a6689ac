package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	_ "github.com/spillway-metering/spillway/gen/meter/v1" // The calls of the demonstration, for the stand-in of grpcurl.
)

// As which of the two programs this test binary was started.
const asProgram = "METERD_TEST_AS"

// patience bounds every wait of these tests.
const patience = 60 * time.Second

// TestMain lets the test binary stand in for meterd, so that what is tested is a process, and for grpcurl, so that what
// meterd prints can be pasted without it.
func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "meterd":
		main()
		os.Exit(0)
	case "grpcurl":
		if err := call(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	default:
		os.Exit(m.Run())
	}
}

// call does what grpcurl does with -plaintext -d JSON ADDRESS SERVICE/METHOD.
func call(args []string) error {
	if len(args) != 5 || args[0] != "-plaintext" || args[1] != "-d" {
		return fmt.Errorf("the stand-in for grpcurl does not know %q", args)
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(strings.ReplaceAll(args[4], "/", ".")))
	if err != nil {
		return err
	}
	method, ok := found.(protoreflect.MethodDescriptor)
	if !ok {
		return fmt.Errorf("%s is no method", args[4])
	}
	request, answer := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	if err := protojson.Unmarshal([]byte(args[2]), request); err != nil {
		return fmt.Errorf("%s: %w", args[2], err)
	}
	conn, err := grpc.NewClient(args[3], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	if err := conn.Invoke(context.Background(), "/"+args[4], request, answer); err != nil {
		return fmt.Errorf("%w %v", err, status.Convert(err).Details())
	}
	text, err := protojson.Marshal(answer)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, text, "", "  "); err != nil {
		return err
	}
	fmt.Println(indented.String())
	return nil
}

// meterd is a process under test.
type meterd struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer  // To be read once the process has ended.
	lines          chan string   // Of stdout.
	ended          chan struct{} // Closed once it has; how is in ProcessState.
}

// start starts meterd with settings that no test shares with a machine's own.
func start(t *testing.T, args ...string) *meterd {
	t.Helper()
	m := &meterd{Cmd: exec.Command(os.Args[0], args...), lines: make(chan string, 1000), ended: make(chan struct{})}
	m.Env = append(os.Environ(), asProgram+"=meterd", "METER_LISTEN=127.0.0.1:0")
	out := &lineWriter{all: &m.stdout, lines: m.lines}
	m.Stdout, m.Stderr = out, &m.stderr
	if err := m.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = m.Wait()
		close(m.ended)
	}()
	t.Cleanup(func() {
		_ = m.Process.Kill()
		<-m.ended
	})
	return m
}

// line is the next line of stdout.
func (m *meterd) line(t *testing.T) string {
	t.Helper()
	select {
	case line := <-m.lines:
		return line
	case <-m.ended:
		t.Fatalf("meterd ended: %s", m.stderr.String())
	case <-time.After(patience):
		t.Fatal("meterd says nothing")
	}
	return ""
}

// end waits for the process's end and answers its exit code.
func (m *meterd) end(t *testing.T) int {
	t.Helper()
	select {
	case <-m.ended:
		return m.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatal("meterd does not end")
		return -1
	}
}

// devLine is the first that meterd says under --dev.
const devLine = "dev: every caller is an operator, so only this machine is let in"

// address is where it serves, as its one line tells; under --dev another one comes before it.
func (m *meterd) address(t *testing.T) string {
	t.Helper()
	line := m.line(t)
	if slices.Contains(m.Args, "--dev") {
		if line != devLine {
			t.Fatalf("the first line is %q", line)
		}
		line = m.line(t)
	}
	address, ok := strings.CutPrefix(line, "ready: meter.v1 on ")
	if _, _, err := net.SplitHostPort(address); !ok || err != nil {
		t.Fatalf("the first line is %q", line)
	}
	return address
}

// lineWriter keeps what is written and hands it on line by line.
type lineWriter struct {
	all   *bytes.Buffer
	rest  string
	lines chan<- string
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.all.Write(p)
	w.rest += string(p)
	for {
		line, rest, whole := strings.Cut(w.rest, "\n")
		if !whole {
			return len(p), nil
		}
		w.rest = rest
		w.lines <- line
	}
}

// dataDir is short, as a socket's path must be, and open to the user PostgreSQL runs as when the tests run as root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "meterd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "data")
}
