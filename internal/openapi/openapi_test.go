package openapi_test

import (
	"testing"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/spillway-metering/spillway/gen/meter/v1" // The descriptors of the contract.
	"github.com/spillway-metering/spillway/internal/openapi"
)

// document is what a test looks at of the document.
type document struct {
	OpenAPI string                          `yaml:"openapi"`
	Info    struct{ Title, Version string } `yaml:"info"`
	Paths   map[string]map[string]operation `yaml:"paths"`
	Parts   struct {
		Schemas map[string]any `yaml:"schemas"`
	} `yaml:"components"`
}

type operation struct {
	Description string         `yaml:"description"`
	RequestBody map[string]any `yaml:"requestBody"`
	Responses   map[string]any `yaml:"responses"`
}

// TestDocument holds the document to the descriptors: every RPC is there, with its messages, and no other.
func TestDocument(t *testing.T) {
	var d document
	if err := yaml.Unmarshal(openapi.Document, &d); err != nil {
		t.Fatal(err)
	}
	if d.OpenAPI != "3.1.0" || d.Info.Title != "Spillway" || d.Info.Version != "v1" {
		t.Errorf("it is %s %v", d.OpenAPI, d.Info)
	}
	calls := 0
	for method := range methods() {
		calls++
		path := "/" + string(method.Parent().FullName()) + "/" + string(method.Name())
		post, ok := d.Paths[path]["post"]
		if !ok || len(d.Paths[path]) != 1 || post.Description == "" || post.RequestBody == nil || post.Responses["200"] == nil {
			t.Errorf("%s is %v", path, d.Paths[path])
		}
		for _, message := range []protoreflect.FullName{method.Input().FullName(), method.Output().FullName()} {
			if d.Parts.Schemas[string(message)] == nil {
				t.Errorf("%s is not told", message)
			}
		}
	}
	if calls == 0 || len(d.Paths) != calls {
		t.Errorf("there are %d calls and %d paths", calls, len(d.Paths))
	}
}

// methods are the RPCs of meter.v1.
func methods() func(yield func(protoreflect.MethodDescriptor) bool) {
	return func(yield func(protoreflect.MethodDescriptor) bool) {
		protoregistry.GlobalFiles.RangeFilesByPackage("meter.v1", func(file protoreflect.FileDescriptor) bool {
			for i := range file.Services().Len() {
				service := file.Services().Get(i)
				for j := range service.Methods().Len() {
					if !yield(service.Methods().Get(j)) {
						return false
					}
				}
			}
			return true
		})
	}
}
