package demo

import (
	"io"
	"strings"
	"text/template"
)

// script is what to try, as lines for a shell. It says in comments what each call is answered. Its request ids are made
// when it is pasted, so that it works again; its last turn repeats the refused one under the same id: a refusal is no
// answer to keep.
var script = template.Must(template.New("script").Parse(`
# A firm to try things on is there: acme, 5 ACU a seat and month, 100 ACU in its pool.
# ada draws on the pool without bound, ben up to 10 ACU a month, cy not at all. Paste:

meter() { {{.Grpcurl}} -plaintext -d "$2" {{.Address}} "meter.v1.$1"; }
turn=demo-$(date +%s)

# Before a turn: hold what it is expected to cost, 1.2 ACU. Keep the id of the hold.
held=$(meter MeteringService/Reserve '{"organizationId": "acme", "memberId": "ada", "requestId": "'$turn'-1", "estimateMicros": 1200000}')
echo "$held"
id=$(echo "$held" | sed -n 's/.*"reservationId": "\([^"]*\)".*/\1/p')

# After it: charge what it did cost. The allowance pays first, then the pool.
meter MeteringService/Commit '{"organizationId": "acme", "reservationId": "'$id'", "actualMicros": 950000, "tokenUsage": {"inputTokens": 1800, "outputTokens": 420}}'

# cy has 5 ACU of allowance and no access to the pool. A turn of 8 ACU is stopped: RESOURCE_EXHAUSTED, EXTRA_USAGE_NOT_ENABLED.
meter MeteringService/Reserve '{"organizationId": "acme", "memberId": "cy", "requestId": "'$turn'-2", "estimateMicros": 8000000}'

# The admin lets cy draw 20 ACU a month from the pool, and the same turn passes.
meter PoolService/GrantAccess '{"organizationId": "acme", "memberId": "cy", "capMicros": 20000000}'
meter MeteringService/Reserve '{"organizationId": "acme", "memberId": "cy", "requestId": "'$turn'-2", "estimateMicros": 8000000}'

# What the pool holds, what cy has left, and what was charged. The last line puts cy back as it was.
meter PoolService/GetPool '{"organizationId": "acme"}'
meter UsageService/GetMeter '{"organizationId": "acme", "memberId": "cy"}'
meter PoolService/ListLedgerEntries '{"organizationId": "acme"}'
meter PoolService/RevokeAccess '{"organizationId": "acme", "memberId": "cy"}'

`))

func write(out io.Writer, address, grpcurl string) error {
	return script.Execute(out, struct{ Grpcurl, Address string }{grpcurl, target(address)})
}

// target is an address as grpcurl takes it: it wants to be told of a Unix socket, and its path alone.
func target(address string) string {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		return "-unix " + path
	}
	return address
}
