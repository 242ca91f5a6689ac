package rpc
import ("testing";"strings"
 "google.golang.org/protobuf/proto"
 "google.golang.org/protobuf/types/known/durationpb"
 "google.golang.org/protobuf/types/known/timestamppb"
 meterv1 "github.com/spillway-metering/spillway/gen/meter/v1"
 testingv1 "github.com/spillway-metering/spillway/gen/meter/testing/v1"
)
func TestDump(t *testing.T){
 v,err:=NewValidator(); if err!=nil {t.Fatal(err)}
 many:=map[string]string{}
 for i:=range 20 { many[strings.Repeat("k",i+60)]="\x00" }
 for _,m:=range []proto.Message{
  &meterv1.ReserveRequest{TimeToLive: &durationpb.Duration{Nanos:5}, MinimumMicros: proto.Int64(-1), Turn:&meterv1.Turn{Model:"\x00",Labels:many}},
  &meterv1.ReserveRequest{TimeToLive: &durationpb.Duration{Seconds:-5,Nanos:5}, Turn:&meterv1.Turn{Labels:map[string]string{"":strings.Repeat("x",300), strings.Repeat("ü",65):"", "x":"\x00"}}},
  &meterv1.CommitRequest{}, &meterv1.GrantAccessRequest{OrganizationId:"a",MemberId:"b"},
  &meterv1.GrantAccessRequest{OrganizationId:"a",MemberId:"b",Access:&meterv1.GrantAccessRequest_Unlimited{}},
  &meterv1.PutOrganizationRequest{Organization:&meterv1.Organization{Unit:7,State:-1}},
  &meterv1.PutOrganizationRequest{Organization:&meterv1.Organization{Anniversary:&meterv1.Date{}}},
  &meterv1.PutMemberRequest{Member:&meterv1.Member{State:2}},
  &meterv1.PutPlanRequest{Plan:&meterv1.Plan{Limits:&meterv1.PlanLimits{Devices:proto.Int64(-1)},AbuseLimit:&meterv1.AbuseLimit{}}},
  &meterv1.PutPlanRequest{Plan:&meterv1.Plan{AbuseLimit:&meterv1.AbuseLimit{Window:&durationpb.Duration{Seconds:1<<60}}}},
  &testingv1.SetTimeRequest{}, &testingv1.AdvanceRequest{},
  &testingv1.SetTimeRequest{Time:&timestamppb.Timestamp{Seconds:-1}},
  &testingv1.SetTimeRequest{Time:&timestamppb.Timestamp{Seconds:1<<60}},
  &testingv1.SetTimeRequest{Time:&timestamppb.Timestamp{Seconds:7,Nanos:-1}},
 &meterv1.ReserveRequest{OrganizationId:`a`,MemberId:`b`,RequestId:`c`,EstimateMicros:1,TimeToLive:&durationpb.Duration{Seconds:1,Nanos:-999999999}},
 }{
  e:=v.Check(m)
  if fe,ok:=e.(*FieldError); ok { t.Log(m.ProtoReflect().Descriptor().Name(), e); for _,f:=range fe.fields {t.Log("    ",f.path," | ", f.requirement)} } else {t.Log(e)}
 }
}
