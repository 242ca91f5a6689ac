package e2e

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
	"github.com/spillway-metering/spillway/internal/audit/audittest"
)

// codeOf is the status code that the contract gives each reason that bad input can have.
var codeOf = map[string]codes.Code{
	invalid:                  codes.InvalidArgument,
	"ORGANIZATION_NOT_FOUND": codes.NotFound,
	"MEMBER_NOT_FOUND":       codes.NotFound,
	"PLAN_NOT_FOUND":         codes.NotFound,
	"PRICE_BOOK_NOT_FOUND":   codes.NotFound,
	"PRICE_BOOK_CHANGED":     codes.FailedPrecondition,
	"UNPRICED_MODEL":         codes.FailedPrecondition,
	"RESERVATION_NOT_FOUND":  codes.NotFound,
	"TOP_UP_NOT_FOUND":       codes.NotFound,
	"REQUEST_ID_REUSED":      codes.AlreadyExists,
	"UNIT_IMMUTABLE":         codes.FailedPrecondition,
	"POOL_EMPTY":             codes.ResourceExhausted,
	"RESOURCE_NOT_FOUND":     codes.NotFound,
	"REFUND_EXCEEDS_TOP_UP":  codes.FailedPrecondition,
}

// TestBadInput sends every RPC of the contract a valid request with one field at a time made wrong in every way that its
// table says, and at last the valid request itself. An RPC without a valid request, or a field without a table, fails it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	url := postgres.Database(t)
	server := start(t, "--dev", "--database-url="+url)
	w := makeWorld(t, dial(t, server.address))
	samples := w.samples()
	for _, method := range methods() {
		t.Run(string(method.Parent().Name())+"/"+string(method.Name()), func(t *testing.T) {
			variants := samples[method.Input().FullName()]
			checkComplete(t, method.Input(), variants)
			for _, sample := range variants {
				w.breakFields(t, method, sample, nil)
				if err := w.send(t, method, sample); err != nil {
					t.Errorf("the valid request is refused: %v", err)
				}
			}
		})
	}
	w.checkUntouched(t)
	audittest.Check(t, url)
}

// checkComplete sees that there is a valid request; and where there are several, because not all fields can be set at once,
// that each field is set in one of them.
func checkComplete(t *testing.T, request protoreflect.MessageDescriptor, variants []proto.Message) {
	t.Helper()
	if len(variants) == 0 {
		t.Fatalf("there is no valid %s to break", request.FullName())
	}
	for i := range request.Fields().Len() {
		field := request.Fields().Get(i)
		has := func(sample proto.Message) bool { return sample.ProtoReflect().Has(field) }
		if len(variants) > 1 && !slices.ContainsFunc(variants, has) {
			t.Errorf("no valid request has %s", field.FullName())
		}
	}
}

// methods are all RPCs of the contract.
func methods() (all []protoreflect.MethodDescriptor) {
	for _, file := range []protoreflect.FileDescriptor{
		meterv1.File_meter_v1_metering_service_proto, meterv1.File_meter_v1_organization_service_proto,
		meterv1.File_meter_v1_pool_service_proto, meterv1.File_meter_v1_usage_service_proto,
		meterv1.File_meter_v1_price_service_proto, meterv1.File_meter_v1_audit_service_proto,
		testingv1.File_meter_testing_v1_test_clock_service_proto,
	} {
		for i := range file.Services().Len() {
			service := file.Services().Get(i).Methods()
			for j := range service.Len() {
				all = append(all, service.Get(j))
			}
		}
	}
	return all
}

// TestEveryServiceIsTried holds the list of services above to what the contract's packages have.
func TestEveryServiceIsTried(t *testing.T) {
	tried := map[protoreflect.FullName]bool{}
	for _, method := range methods() {
		tried[method.Parent().FullName()] = true
	}
	protoregistry.GlobalFiles.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			name := file.Services().Get(i).FullName()
			if strings.HasPrefix(string(name), "meter.") && !tried[name] {
				t.Errorf("%s is not tried", name)
			}
		}
		return true
	})
}

// breakFields breaks each field of the message at a path in a sample, and those of the messages within it. What belongs to
// another of several valid requests is left to that one.
func (w *world) breakFields(t *testing.T, method protoreflect.MethodDescriptor, sample proto.Message, path fieldPath) {
	t.Helper()
	message := path.follow(sample.ProtoReflect())
	for i := range message.Descriptor().Fields().Len() {
		field := message.Descriptor().Fields().Get(i)
		if w.ofAnotherVariant(sample, message, field) {
			continue
		}
		cases, ok := w.casesOf(field)
		if !ok {
			t.Errorf("%s: no table says what is wrong with it", field.FullName())
		}
		here := append(slices.Clone(path), field)
		for _, c := range cases {
			broken := proto.Clone(sample)
			set(path.follow(broken.ProtoReflect()), field, c.value)
			if c.want == accepted {
				w.renew(t, broken)
			}
			err := w.send(t, method, broken)
			if wrong := c.wrong(here, err); wrong != nil {
				t.Errorf("%s = %.60q: %v", here, fmt.Sprint(c.value), wrong)
			}
		}
		if ours(field) {
			w.breakFields(t, method, sample, here)
		}
	}
}

// ours says whether a field is a message of the contract whose own fields are to be broken. What a Put only answers is
// not read, so nothing in it can be wrong.
func ours(field protoreflect.FieldDescriptor) bool {
	return field.Message() != nil && !field.IsMap() && field.Name() != "access" &&
		strings.HasPrefix(string(field.Message().FullName()), "meter.")
}

// send sends a request of any RPC.
func (w *world) send(t *testing.T, method protoreflect.MethodDescriptor, request proto.Message) error {
	t.Helper()
	answer := must(protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName()))(t).New().Interface()
	err := w.conn.Invoke(t.Context(), fmt.Sprintf("/%s/%s", method.Parent().FullName(), method.Name()), request, answer)
	if err == nil {
		w.accepted[method.Name()]++
	}
	return err
}

// wrong says in what an answer differs from what the contract says of a case; nil: in nothing.
func (c badCase) wrong(path fieldPath, err error) error {
	if c.want == accepted {
		return err
	}
	info := detail[*errdetails.ErrorInfo](err)
	if code := status.Code(err); code != codeOf[c.want] || info.GetReason() != c.want || info.GetDomain() != "meter.v1" {
		return fmt.Errorf("want %v with %s, got %w with %v", codeOf[c.want], c.want, errOrNone(err), info)
	}
	for _, leak := range []string{"SQL", "pgx", "panic", "goroutine", ".go:"} {
		if strings.Contains(fmt.Sprint(err, status.Convert(err).Details()), leak) {
			return fmt.Errorf("it tells %s: %w", leak, err)
		}
	}
	violations := detail[*errdetails.BadRequest](err).GetFieldViolations()
	if c.want != invalid {
		if len(violations) > 0 {
			return fmt.Errorf("it blames fields: %v", violations)
		}
		return nil
	}
	return c.misnamed(path, violations)
}

// errAccepted stands for the error of a call that has none.
var errAccepted = errors.New("an answer of OK")

func errOrNone(err error) error {
	if err == nil {
		return errAccepted
	}
	return err
}

// inBrackets is what a path says of a map's key or of a place in a list.
var inBrackets = regexp.MustCompile(`\[[^]]*\]`)

// misnamed says that a violation is not of the field that was broken.
func (c badCase) misnamed(path fieldPath, violations []*errdetails.BadRequest_FieldViolation) error {
	want := path.String()
	if c.field != "" {
		want = append(path[:len(path)-1:len(path)-1].names(), c.field).String()
	}
	if len(violations) == 0 {
		return errors.New("no field is named")
	}
	for _, v := range violations {
		if inBrackets.ReplaceAllString(v.GetField(), "") != want || v.GetDescription() == "" {
			return fmt.Errorf("want %s named, got %v", want, v)
		}
	}
	return nil
}

// TestBadActor names a person in whose name nobody can act.
func TestBadActor(t *testing.T) {
	t.Parallel()
	server := start(t, "--database-url="+postgres.Database(t))
	c := dial(t, server.address)
	c.furnish(t, firm{id: "acme", seats: 1})
	for _, actor := range []string{"", "a b", strings.Repeat("x", 129)} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "x-meter-actor", actor)
		_, err := c.RevokeAccess(ctx, &meterv1.RevokeAccessRequest{OrganizationId: "acme", MemberId: seat(0)})
		violations := detail[*errdetails.BadRequest](err).GetFieldViolations()
		if status.Code(err) != codes.InvalidArgument || len(violations) != 1 || violations[0].GetField() != "x-meter-actor" {
			t.Errorf("%q: %v", actor, err)
		}
	}
}
