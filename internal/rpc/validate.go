package rpc

import (
	"context"
	"errors"
	"fmt"

	"buf.build/go/protovalidate"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// Validator holds requests to the rules that stand beside their fields in the contract.
type Validator struct {
	rules protovalidate.Validator
}

// NewValidator makes a validator that has read the rules of every request beforehand, so that no first caller waits.
func NewValidator() (*Validator, error) {
	rules, err := protovalidate.New(protovalidate.WithMessageDescriptors(requests()...))
	if err != nil {
		return nil, fmt.Errorf("read the rules of the contract: %w", err)
	}
	return &Validator{rules: rules}, nil
}

// Unary is the interceptor that lets only valid requests pass. What is wrong with one is answered all at once.
func (v *Validator) Unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if message, ok := req.(proto.Message); ok {
		if err := v.Check(message); err != nil {
			return nil, err
		}
	}
	return handler(ctx, req)
}

// Check answers a *FieldError if the request breaks a rule.
func (v *Validator) Check(request proto.Message) error {
	err := v.rules.Validate(request)
	if err == nil {
		return nil
	}
	var broken *protovalidate.ValidationError
	if !errors.As(err, &broken) {
		return fmt.Errorf("validate: %w", err)
	}
	var wrong FieldError
	for _, violation := range broken.Violations {
		wrong.add(violated(request, violation))
	}
	return wrong.merged(conversionFaults(request))
}

// conversionFaults is what the conversion of a request says of it beside the contract's rules, such as of fields that do not
// go together. Valid requests are converted by their handlers; here it is asked of one that breaks a rule, so that all that is
// wrong with it is told at once. So every conversion must bear requests that break any rule.
func conversionFaults(request proto.Message) *FieldError {
	switch in := request.(type) {
	case *meterv1.ReserveRequest:
		return reserveFaults(in)
	case *meterv1.CommitRequest:
		return commitFaults(in)
	case *meterv1.ReleaseRequest:
		return tokenFaults(in.GetTokenUsage())
	case *meterv1.ExtendRequest:
		return extendFaults(in)
	case *meterv1.PutOrganizationRequest:
		return faultsOf(putOrganizationCommand(in.GetOrganization()))
	case *meterv1.PutPriceBookRequest:
		return faultsOf(bookOf(in.GetPriceBook()))
	case *meterv1.QuoteRequest:
		return quoteFaults(in)
	case *meterv1.RegisterResourceRequest:
		return faultsOf(registerCommand(in))
	case *meterv1.ExplainTurnRequest:
		return turnFaults(in)
	case *meterv1.ReportUsageRequest:
		return new(FieldError).merged(usageFaults(in)).merged(pageFaults(in))
	case *meterv1.ListLedgerEntriesRequest:
		_, wrong := spanOf(in.GetFrom(), in.GetTo())
		return new(FieldError).merged(wrong).merged(pageFaults(in))
	case paged:
		return pageFaults(in)
	default:
		return nil
	}
}

// faultsOf is what a conversion says of the fields; nil: nothing.
func faultsOf[T any](_ T, err error) *FieldError {
	var wrong *FieldError
	_ = errors.As(err, &wrong) // It says nothing else.
	return wrong
}

// services are the descriptors of every service of the contract.
func services() []protoreflect.ServiceDescriptor {
	var found []protoreflect.ServiceDescriptor
	for _, file := range []protoreflect.FileDescriptor{
		meterv1.File_meter_v1_metering_service_proto,
		meterv1.File_meter_v1_pool_service_proto,
		meterv1.File_meter_v1_organization_service_proto,
		meterv1.File_meter_v1_usage_service_proto,
		meterv1.File_meter_v1_price_service_proto,
		meterv1.File_meter_v1_audit_service_proto,
		testingv1.File_meter_testing_v1_test_clock_service_proto,
	} {
		for i := range file.Services().Len() {
			found = append(found, file.Services().Get(i))
		}
	}
	return found
}

// requests are the descriptors of every request of the contract.
func requests() []protoreflect.MessageDescriptor {
	var found []protoreflect.MessageDescriptor
	for _, service := range services() {
		for i := range service.Methods().Len() {
			found = append(found, service.Methods().Get(i).Input())
		}
	}
	return found
}
