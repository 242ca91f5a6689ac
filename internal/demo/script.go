package demo

import (
	"io"
	"strings"
	"text/template"
)

// script is what to try, as lines for a shell. Request ids are made when it is pasted and holds are given back, so that
// it works again. The refused turn is repeated under its own id: a refusal leaves nothing behind.
var script = template.Must(template.New("script").Parse(`
# There is a firm to try things on: acme, 5 ACU a seat and month, 100 ACU in its pool.
# ada draws on the pool without bound, ben up to 10 ACU a month, cy not at all. Paste:

turn=demo-$(date +%s)

# Before a turn: hold what it may cost, by the price of the model, and keep the id of the hold.
held=$({{.Call}} '{"organizationId": "acme", "memberId": "ada", "requestId": "'$turn'-1", "estimateUsage": {"model": "gpt-4o", "inputTokens": 1800, "maxOutputTokens": 4096}}' {{.To}}.MeteringService/Reserve)
echo "$held"; id=$(echo "$held" | sed -n 's/.*"reservationId": "\([^"]*\)".*/\1/p')

# After it: charge the tokens it did use. The allowance pays first, then the pool.
{{.Call}} '{"organizationId": "acme", "reservationId": "'$id'", "tokenUsage": {"inputTokens": 1800, "outputTokens": 420}}' {{.To}}.MeteringService/Commit

# How that price comes about, and what is said of a model that has none: UNPRICED_MODEL, with the nearest names.
{{.Call}} '{"organizationId": "acme", "model": "gpt-4o", "tokenUsage": {"inputTokens": 1800, "outputTokens": 420}}' {{.To}}.PriceService/Quote
{{.Call}} '{"organizationId": "acme", "model": "gpt-4p", "tokenUsage": {"inputTokens": 1800, "outputTokens": 420}}' {{.To}}.PriceService/Quote

# cy has 5 ACU of allowance and no access to the pool. A turn of 8 ACU is stopped: EXTRA_USAGE_NOT_ENABLED.
{{.Call}} '{"organizationId": "acme", "memberId": "cy", "requestId": "'$turn'-2", "estimateMicros": 8000000}' {{.To}}.MeteringService/Reserve

# The admin lets cy draw up to 20 ACU a month from the pool, and the same turn passes.
{{.Call}} '{"organizationId": "acme", "memberId": "cy", "capMicros": 20000000}' {{.To}}.PoolService/GrantAccess
held=$({{.Call}} '{"organizationId": "acme", "memberId": "cy", "requestId": "'$turn'-2", "estimateMicros": 8000000}' {{.To}}.MeteringService/Reserve)
echo "$held"; id=$(echo "$held" | sed -n 's/.*"reservationId": "\([^"]*\)".*/\1/p')

# What is in the pool, what cy has left, and the firm's statement.
{{.Call}} '{"organizationId": "acme"}' {{.To}}.PoolService/GetPool
{{.Call}} '{"organizationId": "acme", "memberId": "cy"}' {{.To}}.UsageService/GetMeter
{{.Call}} '{"organizationId": "acme"}' {{.To}}.PoolService/ListLedgerEntries

# cy's turn failed after all: its hold goes back. Then cy is as before.
{{.Call}} '{"organizationId": "acme", "reservationId": "'$id'", "reason": "the model timed out"}' {{.To}}.MeteringService/Release
{{.Call}} '{"organizationId": "acme", "memberId": "cy"}' {{.To}}.PoolService/RevokeAccess

`))

// write writes the script for a server at address, with grpcurl called by that name.
func write(out io.Writer, address, grpcurl string) error {
	call := grpcurl + " -plaintext -d"
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		address, call = path, grpcurl+" -plaintext -unix -d"
	}
	return script.Execute(out, struct{ Call, To string }{call, address + " meter.v1"})
}
