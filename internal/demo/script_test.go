package demo

import (
	"strings"
	"testing"
)

// TestWrite writes the calls for every sort of address. That they work when pasted is tested with meterd.
func TestWrite(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:7400": `bin/grpcurl -plaintext -d '{"organizationId": "acme"}' 127.0.0.1:7400 meter.v1.PoolService/GetPool`,
		"unix:/run/m.s":  `bin/grpcurl -plaintext -unix -d '{"organizationId": "acme"}' /run/m.s meter.v1.PoolService/GetPool`,
	} {
		var out strings.Builder
		if err := write(&out, address, "bin/grpcurl"); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "\n"+want+"\n") {
			t.Errorf("for %s it lacks %s:\n%s", address, want, out.String())
		}
	}
}
