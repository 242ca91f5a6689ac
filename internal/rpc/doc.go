// Package rpc is the gRPC edge of the rules. A handler turns a message into a command or a query, hands it to the one who
// carries it, and turns the answer into a message; nothing is decided here. What is wrong with a request, and which
// status a refusal is answered with, is said in this package too, in one place each: [Validator] and [FailureOf].
package rpc
