package server

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"google.golang.org/grpc"

	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/rpc"
)

// callersKept bounds of how many callers the limits are remembered; beyond it those with no call under way are forgotten,
// and begin anew.
const callersKept = 10_000

// CallerLimits bound what one caller may ask of a server, so that one that runs wild does not keep others from it.
type CallerLimits struct {
	Rate        int // Calls a second of one caller; 0: no bound. As many may come at once as in a second.
	MemberRate  int // The same of one who belongs to an organization: owner, admin or member; 0: that of any caller.
	Concurrency int // Calls of one caller at a time; 0: no bound.
}

// rateOf is how many calls a second one caller of a role may make; 0: no bound.
func (l CallerLimits) rateOf(role auth.Role) rate.Limit {
	if role.Bound() && l.MemberRate > 0 {
		return rate.Limit(l.MemberRate)
	}
	return rate.Limit(l.Rate)
}

type callerLimits struct {
	CallerLimits

	mu      sync.Mutex
	callers map[callerKey]*callerUse
}

// callerKey tells callers apart.
type callerKey struct {
	role            auth.Role
	issuer, subject string
}

type callerUse struct {
	limiter *rate.Limiter
	running int
}

func newCallerLimits(l CallerLimits) *callerLimits {
	return &callerLimits{CallerLimits: l, callers: map[callerKey]*callerUse{}}
}

// unary refuses a call beyond its caller's limits at once. It belongs after the interceptor that tells who calls; calls
// that need no identity, such as health, pass.
func (l *callerLimits) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	id := auth.FromContext(ctx)
	if id.Role == 0 {
		return handler(ctx, req)
	}
	use, wait := l.enter(callerKey{id.Role, id.Issuer, id.Subject})
	if use == nil {
		return nil, rpc.RateLimited(wait)
	}
	defer l.leave(use)
	return handler(ctx, req)
}

// enter counts a call of a caller; nil: it is one too many, and may come again after the wait.
func (l *callerLimits) enter(caller callerKey) (use *callerUse, wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	use = l.callers[caller]
	if use == nil {
		l.forgetIdle()
		perSecond := l.rateOf(caller.role)
		use = &callerUse{limiter: rate.NewLimiter(perSecond, int(perSecond))}
		l.callers[caller] = use
	}
	switch {
	case l.Concurrency > 0 && use.running >= l.Concurrency:
		return nil, time.Second
	case use.limiter.Limit() > 0 && !use.limiter.Allow():
		return nil, time.Duration(float64(time.Second)/float64(use.limiter.Limit())).Truncate(time.Microsecond) + time.Millisecond
	}
	use.running++
	return use, 0
}

func (l *callerLimits) leave(use *callerUse) {
	l.mu.Lock()
	defer l.mu.Unlock()
	use.running--
}

// forgetIdle makes room for one more caller.
func (l *callerLimits) forgetIdle() {
	if len(l.callers) < callersKept {
		return
	}
	for caller, use := range l.callers {
		if use.running == 0 {
			delete(l.callers, caller)
		}
	}
}
