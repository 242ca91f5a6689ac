package rpc

import (
	"github.com/google/uuid"
	"google.golang.org/grpc"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/meter"
)

// Services is what the handlers need of the rest of the program.
type Services struct {
	Writer Writer
	Reader Reader
	Plans  PlanWriter
	Prices PriceBooks
	// Learner is told of what turns used, and asked for what they will.
	Learner Learner
	// Settled is told of every turn that a call settled; nil: nobody is.
	Settled func(meter.Reservation)
}

// TestClock is what the test clock's handlers need. It is for development only.
type TestClock struct {
	Clock   Clock
	Sweeper Sweeper
}

// Register adds the services of meter.v1 to a server.
func (s Services) Register(r grpc.ServiceRegistrar) {
	r = decoding{r}
	meterv1.RegisterMeteringServiceServer(r, &metering{Services: s})
	meterv1.RegisterPoolServiceServer(r, &pools{Services: s})
	meterv1.RegisterOrganizationServiceServer(r, &organizations{Services: s})
	meterv1.RegisterUsageServiceServer(r, &usage{Services: s})
	meterv1.RegisterPriceServiceServer(r, &prices{Services: s})
	meterv1.RegisterAuditServiceServer(r, &audits{Services: s})
}

// Register adds the test clock to a server.
func (c TestClock) Register(r grpc.ServiceRegistrar) {
	testingv1.RegisterTestClockServiceServer(decoding{r}, &testClock{TestClock: c})
}

// newID makes an identifier whose order is that of its making, before the first try of what it names: a second try then
// names the same. It panics only where the machine has no randomness, and that call is answered INTERNAL.
func newID() meter.UUID { return meter.UUID(uuid.Must(uuid.NewV7())) }
