package bench

import (
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
)

// target is a server that is measured, and the connections that callers share to it.
type target struct {
	meterd      *meterd // nil: it was running already.
	connections []*grpc.ClientConn
}

// dial makes so many connections. The first calls open them.
func (t *target) dial(address string, connections int, options ...grpc.DialOption) error {
	for range connections {
		conn, err := grpc.NewClient(address, options...)
		if err != nil {
			return fmt.Errorf("the address cannot be read: %w", err)
		}
		t.connections = append(t.connections, conn)
	}
	return nil
}

// setup is the connection by which organizations are made and looked at.
func (t *target) setup() *grpc.ClientConn { return t.connections[0] }

// connection is the one that the i-th caller shares with others.
func (t *target) connection(i int) *grpc.ClientConn { return t.connections[i%len(t.connections)] }

// busy is how long meterd has kept processors busy, if it was started here.
func (t *target) busy() time.Duration {
	if t.meterd == nil {
		return 0
	}
	return processorTime(t.meterd.command.Process.Pid)
}

// resident is how much memory meterd has now, and had at its peak, in bytes, if it was started here.
func (t *target) resident() (now, peak int64) {
	if t.meterd == nil {
		return 0, 0
	}
	return resident(t.meterd.command.Process.Pid)
}

// close lets go of the connections; a meterd that was started ends.
func (t *target) close() error {
	var errs []error
	for _, conn := range t.connections {
		errs = append(errs, conn.Close())
	}
	if t.meterd != nil {
		errs = append(errs, t.meterd.stop())
	}
	return errors.Join(errs...)
}
