// Package e2e tests the whole program as its users meet it: through its binaries, their exit codes and their lines, and
// over gRPC. It kills servers, takes their database away and sends them everything that the contract forbids; every such
// test ends with the audit that `meterctl verify` makes. There is nothing here to import.
package e2e
