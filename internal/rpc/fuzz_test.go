package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/auth"
	"github.com/spillway-metering/spillway/internal/bookwire"
	"github.com/spillway-metering/spillway/internal/meter"
	"github.com/spillway-metering/spillway/internal/price"
)

// fuzzedTurn is the id of the turn that runs in every fuzzed firm: inputs that were kept name it.
const fuzzedTurn = "01890a5d-ac96-774b-bcce-b302099a8057"

// FuzzRequest sends an RPC bytes in place of its request. They are refused as the contract says, or come to commands
// within the rules' bounds, and what is answered holds: sent again, the request is answered the same, and what a Put
// answers can be put.
func FuzzRequest(f *testing.F) {
	validator, err := NewValidator()
	if err != nil {
		f.Fatal(err)
	}
	book, err := bookwire.Book(samplePriceBook())
	if err != nil {
		f.Fatal(err)
	}
	for _, m := range newFuzzed(f, validator, book).methods {
		if sample, ok := sampleRequests()[string(m.request.FullName())]; ok {
			f.Add(m.name, wireOf(f, sample))
		}
	}
	f.Fuzz(func(t *testing.T, method string, wire []byte) {
		w := newFuzzed(t, validator, book)
		m := w.method(method)
		answer, err := w.send(t, m, wire)
		again, errAgain := w.send(t, m, wire)
		if m.repeats && (!proto.Equal(answer, again) || !sameRefusal(err, errAgain)) {
			t.Fatalf("%s is answered %v, %v, and then %v, %v", m.name, answer, err, again, errAgain)
		}
		if err == nil && strings.HasPrefix(string(m.request.Name()), "Put") {
			w.putBack(t, m, answer)
		}
	})
}

// wireOf is a sample as it is sent, of the turn that runs.
func wireOf(tb testing.TB, sample proto.Message) []byte {
	tb.Helper()
	m := sample.ProtoReflect()
	if id := m.Descriptor().Fields().ByName("reservation_id"); id != nil {
		m.Set(id, protoreflect.ValueOfString(fuzzedTurn))
	}
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(sample)
	if err != nil {
		tb.Fatal(err)
	}
	return wire
}

// sameRefusal compares what is told. The bytes differ: those of a map come in any order.
func sameRefusal(a, b error) bool {
	return status.Code(a) == status.Code(b) && status.Convert(a).Message() == status.Convert(b).Message() &&
		proto.Equal(infoOf(a), infoOf(b)) &&
		proto.Equal(detail[*errdetails.BadRequest](a), detail[*errdetails.BadRequest](b))
}

// fuzzed is a small firm in memory and every RPC that changes it or looks at it.
type fuzzed struct {
	*memory
	validator *Validator
	methods   []fuzzedMethod // In the order of their names.
	fault     string         // What of a command breaks the rules' bounds.
}

type fuzzedMethod struct {
	name    string
	serve   grpc.MethodDesc
	on      any
	request protoreflect.MessageDescriptor
	// repeats says that the same request is answered the same; the others' purpose is that it is not.
	repeats bool
}

func newFuzzed(tb testing.TB, validator *Validator, book price.Book) *fuzzed {
	tb.Helper()
	w := &fuzzed{memory: newMemory(), validator: validator}
	Services{Writer: w, Reader: w, Plans: w, Prices: w, Learner: price.NewLearner(10)}.Register(w)
	TestClock{Clock: w, Sweeper: w}.Register(w)
	slices.SortFunc(w.methods, func(a, b fuzzedMethod) int { return cmp.Compare(a.name, b.name) })
	ctx, unlimited := context.Background(), meter.Access{Kind: meter.AccessUnlimited}
	organization, err := putOrganizationCommand(sampleOrganization())
	_, bookErr := w.memory.PutPriceBook(ctx, book, nil, meter.Actor{})
	if err := errors.Join(err, bookErr, w.memory.PutPlan(ctx, planOf(samplePlan()), meter.Actor{})); err != nil {
		tb.Fatal(err)
	}
	for _, c := range []meter.Command{
		organization, putMemberCommand(sampleMember("ada")), putMemberCommand(sampleMember("cy")),
		meter.TopUp{OrganizationID: "acme", RequestID: "inv-1", Amount: 1_000_000},
		meter.SetAccess{OrganizationID: "acme", MemberID: "ada", Access: unlimited, Actor: "op", ChangeID: meter.UUID{15: 1}},
		meter.Reserve{
			OrganizationID: "acme", MemberID: "ada", RequestID: "turn-0", ReservationID: meter.UUID(uuid.MustParse(fuzzedTurn)),
			Estimate: 100, Minimum: 100, TimeToLive: time.Hour, Turn: turnOf(sampleTurn()),
		},
	} {
		if _, err := w.memory.Do(ctx, c); err != nil {
			tb.Fatal(err)
		}
	}
	return w
}

// RegisterService keeps the methods of a service.
func (w *fuzzed) RegisterService(service *grpc.ServiceDesc, on any) {
	for _, m := range service.Methods {
		name := service.ServiceName + "." + m.MethodName
		found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(name))
		described, ok := found.(protoreflect.MethodDescriptor)
		if err != nil || !ok {
			panic(name + " is not in the contract")
		}
		w.methods = append(w.methods, fuzzedMethod{
			name: name, serve: m, on: on, request: described.Input(),
			repeats: m.MethodName != "Advance" && m.MethodName != "PutPriceBook",
		})
	}
}

// method is the one of that name, or one that another name stands for.
func (w *fuzzed) method(name string) fuzzedMethod {
	if i := slices.IndexFunc(w.methods, func(m fuzzedMethod) bool { return m.name == name }); i >= 0 {
		return w.methods[i]
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // It never fails.
	return w.methods[int(h.Sum32()%uint32(len(w.methods)))]
}

// send sends bytes as gRPC does, and checks whatever comes of it.
func (w *fuzzed) send(t *testing.T, m fuzzedMethod, wire []byte) (proto.Message, error) {
	t.Helper()
	readable := false
	decode := func(message any) error {
		err := proto.Unmarshal(wire, message.(proto.Message))
		readable = err == nil
		return err
	}
	answer, err := m.serve.Handler(m.on, t.Context(), decode, w.intercept)
	if w.fault != "" {
		t.Fatalf("%s comes to a command beyond the rules' bounds: %s", m.name, w.fault)
	}
	if err != nil {
		checkRefused(t, m, readable, err)
		return nil, err
	}
	message, ok := answer.(proto.Message)
	if !ok || !readable {
		t.Fatalf("%s answers %v to what is readable: %t", m.name, answer, readable)
	}
	if _, err := proto.Marshal(message); err != nil {
		t.Fatalf("%s: the answer cannot be sent: %v", m.name, err)
	}
	return message, nil
}

func (w *fuzzed) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return TranslateErrors(ctx, req, info, func(ctx context.Context, req any) (any, error) {
		return auth.Unary(auth.Development{})(ctx, req, info, func(ctx context.Context, req any) (any, error) {
			return w.validator.Unary(ctx, req, info, handler)
		})
	})
}

// putBack puts what a Put answered, and wants the same answer. The answer about a price book is without its models, so
// that is read first.
func (w *fuzzed) putBack(t *testing.T, m fuzzedMethod, answer proto.Message) {
	t.Helper()
	var request proto.Message
	switch answer := answer.(type) {
	case *meterv1.PutPlanResponse:
		request = &meterv1.PutPlanRequest{Plan: answer.GetPlan()}
	case *meterv1.PutOrganizationResponse:
		request = &meterv1.PutOrganizationRequest{Organization: answer.GetOrganization()}
	case *meterv1.PutMemberResponse:
		request = &meterv1.PutMemberRequest{Member: answer.GetMember()}
	case *meterv1.PutPriceBookResponse:
		book, err := w.PriceBook(t.Context(), answer.GetPriceBook().GetPriceBookId(), 0)
		if err != nil {
			t.Fatal(err)
		}
		request = &meterv1.PutPriceBookRequest{PriceBook: bookwire.Message(book)}
	default:
		t.Fatalf("the test does not know %T", answer)
	}
	wire, err := proto.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := w.send(t, m, wire); err != nil || !proto.Equal(again, answer) {
		t.Fatalf("%s answers %v; that, put, is answered %v, %v", m.name, answer, again, err)
	}
}

// checkRefused holds a refusal to the contract: a reason with its own code, and of bad input the fields by their names.
func checkRefused(t *testing.T, m fuzzedMethod, readable bool, err error) {
	t.Helper()
	s, info := status.Convert(err), infoOf(err)
	code, known := codeOf[meter.Reason(info.GetReason())]
	if info.GetReason() == ReasonInvalidField {
		code, known = codes.InvalidArgument, true
	}
	if !known || code != s.Code() || info.GetDomain() != Domain || code == codes.Unavailable || !readable && code != codes.InvalidArgument {
		t.Fatalf("%s, readable: %t, is answered %v, %v", m.name, readable, err, info)
	}
	wire, marshalErr := proto.Marshal(s.Proto())
	if marshalErr != nil || len(wire) > 8000 {
		t.Fatalf("%s: a status of %d bytes: %v", m.name, len(wire), marshalErr)
	}
	if code != codes.InvalidArgument {
		return
	}
	violations := detail[*errdetails.BadRequest](err).GetFieldViolations()
	for _, v := range violations {
		root, _, _ := strings.Cut(v.GetField(), ".")
		root, _, _ = strings.Cut(root, "[")
		name := protoreflect.Name(root)
		ofIt := m.request.Fields().ByName(name) != nil || m.request.Oneofs().ByName(name) != nil || !readable && name == "request"
		if !ofIt || v.GetDescription() == "" {
			t.Fatalf("%s is told to mend %q: %q", m.name, v.GetField(), v.GetDescription())
		}
	}
	if len(violations) == 0 {
		t.Fatalf("%s is told of no field: %v", m.name, err)
	}
}

// Do looks at what the rules would get, before they do.
func (w *fuzzed) Do(ctx context.Context, c meter.Command) (meter.Outcome, error) {
	var b bounds
	b.check(c)
	w.fault = strings.Join(b, ", ")
	return w.memory.Do(ctx, c)
}

// PutPlan looks at a plan, which is no command.
func (w *fuzzed) PutPlan(ctx context.Context, p meter.Plan, by meter.Actor) error {
	var b bounds
	b.id("plan_id", p.ID)
	b.within("kind", int64(p.Kind), 1, 4)
	b.within("seat_allowance", int64(p.SeatAllowance), 0, maxAmount)
	b.within("failed turns", int64(p.FailedTurns), 1, 2)
	if p.Abuse != (meter.AbuseLimit{}) {
		b.within("abuse tokens", p.Abuse.Tokens, 1, 1e15)
		b.within("abuse window", int64(p.Abuse.Window), int64(time.Second), int64(366*24*time.Hour))
	}
	for _, n := range []*int64{p.Limits.Orchestrators, p.Limits.Devices, p.Limits.PrivateProjects} {
		b.require(n == nil || *n >= 0, "a negative limit")
	}
	w.fault = strings.Join(b, ", ")
	return w.memory.PutPlan(ctx, p, by)
}

// bounds are those of a command that a value is beyond.
type bounds []string

var idForm = regexp.MustCompile(`^[A-Za-z0-9._:@-]{1,128}$`)

func (b *bounds) check(c meter.Command) {
	b.id("organization_id", c.Organization())
	switch c := c.(type) {
	case meter.Recorded:
		b.check(c.Recordable)
	case meter.Reserve:
		b.reserve(c)
	case meter.Commit:
		b.within("actual", int64(c.Actual), 0, maxAmount)
		b.tokens(c.Tokens)
	case meter.Release:
		b.within("actual", int64(c.Actual), 0, maxAmount)
		b.tokens(c.Tokens)
		b.text("reason", c.Reason, 256)
	case meter.Extend:
		b.id("request_id", c.RequestID)
		b.within("additional", int64(c.Additional), 0, maxAmount)
		b.require(c.TimeToLive == 0 || c.TimeToLive >= time.Second && c.TimeToLive <= 24*time.Hour, "time to live")
		b.require(c.TimeToLive != 0 || c.Additional != 0, "extended by nothing")
	case meter.TopUp:
		b.id("request_id", c.RequestID)
		b.within("amount", int64(c.Amount), 1, maxAmount)
		b.text("reference", c.Reference, 256)
	case meter.Refund:
		b.id("request_id", c.RequestID)
		b.id("top_up_request_id", c.TopUpRequestID)
		b.within("amount", int64(c.Amount), 1, maxAmount)
		b.text("reference", c.Reference, 256)
	case meter.SetAccess:
		b.id("member_id", c.MemberID)
		b.require(c.Access.Kind == meter.AccessCapped || c.Access.Cap == 0, "a cap without need")
		b.within("cap", int64(c.Access.Cap), int64(c.Access.Kind%3/2), maxAmount)
	case meter.PutOrganization:
		b.organization(c)
	case meter.PutMember:
		b.id("member_id", c.MemberID)
		b.text("email", c.Email, 320)
		b.text("avatar_url", c.AvatarURL, 1024)
		b.within("role", int64(c.Role), 1, 3)
		b.require(c.Allowance == nil || *c.Allowance >= 0 && *c.Allowance <= maxAmount, "allowance")
	case meter.RemoveMember:
		b.id("member_id", c.MemberID)
	case meter.RecountPlanUsage:
	case meter.RegisterResource:
		b.id("resource_id", c.ID)
		b.within("resource", int64(c.Kind), 1, 3)
		b.require((c.Kind == meter.ResourceDevice) == (c.ParentID != ""), "a parent of what is no device, or a device without")
		b.require(!c.Private || c.Kind == meter.ResourcePrivateProject, "private without being a project")
	case meter.UnregisterResource:
		b.id("resource_id", c.ID)
		b.within("resource", int64(c.Kind), 1, 3)
	default:
		b.require(false, fmt.Sprintf("the test does not know %T", c))
	}
}

func (b *bounds) reserve(c meter.Reserve) {
	b.id("member_id", c.MemberID)
	b.id("request_id", c.RequestID)
	b.text("model", c.Turn.Model, 128)
	b.require(c.TimeToLive >= time.Second && c.TimeToLive <= 24*time.Hour, "time to live")
	b.within("labels", int64(len(c.Turn.Labels)), 0, 16)
	for name, value := range c.Turn.Labels {
		b.text("label's name", name, 64)
		b.text("label", value, 256)
		b.require(name != "", "a label without name")
	}
	if c.Usage == nil {
		b.within("estimate", int64(c.Estimate), 1, maxAmount)
		b.within("minimum", int64(c.Minimum), 1, int64(c.Estimate))
		return
	}
	b.tokens(c.Usage.Tokens)
	b.within("minimum", int64(c.Minimum), 0, maxAmount)
	b.within("output", c.Usage.Tokens.Output, 0, c.Usage.MaxOutput)
	b.within("policy", int64(c.Usage.Policy), 1, 2)
	b.require(c.Estimate == 0 && c.Turn.Model != "", "an estimate of both kinds, or of no model")
}

func (b *bounds) organization(c meter.PutOrganization) {
	b.id("plan_id", c.PlanID)
	b.text("display_name", c.DisplayName, 256)
	b.within("unit", int64(c.Unit), 1, 2)
	b.within("state", int64(c.State), 1, 2)
	b.require(c.Anchor.Date.Valid() && c.Anchor.Zone != nil, "anchor")
}

func (b *bounds) tokens(u meter.TokenUsage) {
	for _, n := range []int64{u.Input, u.CachedInput, u.CacheWrite, u.Output, u.Reasoning} {
		b.within("tokens", n, 0, 1e12)
	}
}

func (b *bounds) id(name, id string) { b.require(idForm.MatchString(id), name+" "+id) }

func (b *bounds) text(name, text string, most int) {
	fits := utf8.ValidString(text) && utf8.RuneCountInString(text) <= most && !strings.ContainsRune(text, 0)
	b.require(fits, name+" "+text)
}

func (b *bounds) within(name string, n, least, most int64) {
	b.require(n >= least && n <= most, name+" "+strconv.FormatInt(n, 10))
}

func (b *bounds) require(holds bool, what string) {
	if !holds {
		*b = append(*b, what)
	}
}
