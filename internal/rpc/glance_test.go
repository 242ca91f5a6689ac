package rpc

import (
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"

	meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
)

// TestAGlanceSeesWhatTheRulesSay holds each field that is looked at fast to the library, for texts of all sorts.
func TestAGlanceSeesWhatTheRulesSay(t *testing.T) {
	fields, err := glanceAt(requests())
	if err != nil {
		t.Fatal(err)
	}
	rules, err := protovalidate.New()
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) < 60 {
		t.Errorf("%d fields are looked at fast", len(fields))
	}
	text := rapid.OneOf(
		rapid.StringMatching(`[A-Za-z0-9._:@-]{0,8}`), rapid.StringMatching(`[A-Za-z0-9._:@-]{126,130}`),
		rapid.StringMatching(`[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9A-F]{4}-[0-9a-f]{12}`),
		rapid.StringMatching(`[0-9a-g-]{35,37}`), rapid.StringMatching(`[ÄA\x00\n ]{0,3}`), rapid.String(),
		rapid.Map(rapid.IntRange(0, 300), func(n int) string { return strings.Repeat("ß", n) }),
		rapid.SampledFrom([]string{"a\n", "\na", "a b", "ä", "a/b", "a,b", "a`", "a[", "a{", "a;", "a\x7f"}),
	)
	for f, keeps := range fields {
		m := dynamicpb.NewMessage(f.Parent().(protoreflect.MessageDescriptor))
		rapid.Check(t, func(t *rapid.T) {
			s := text.Draw(t, "text")
			m.Set(f, protoreflect.ValueOfString(s))
			defer m.Clear(f)
			err := rules.Validate(m, protovalidate.WithFilter(protovalidate.FilterFunc(
				func(_ protoreflect.Message, d protoreflect.Descriptor) bool { return d == f })))
			if keeps(s) != (err == nil) {
				t.Fatalf("%s: %q passes at a glance: %v, and by its rules: %v", f.FullName(), s, keeps(s), err)
			}
		})
	}
}

// BenchmarkValidate is what the requests of a turn cost, with and without the glance.
func BenchmarkValidate(b *testing.B) {
	v, err := NewValidator()
	if err != nil {
		b.Fatal(err)
	}
	for _, request := range []proto.Message{
		&meterv1.ReserveRequest{
			OrganizationId: "acme", MemberId: "ada", RequestId: someID, EstimateMicros: 10, Turn: sampleTurn(),
		},
		&meterv1.CommitRequest{OrganizationId: "acme", ReservationId: someID, ActualMicros: proto.Int64(5), TokenUsage: sampleTokens()},
	} {
		name := string(request.ProtoReflect().Descriptor().Name())
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := v.Check(request); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/rules", func(b *testing.B) {
			for b.Loop() {
				_ = v.rules.Validate(request)
			}
		})
	}
}
