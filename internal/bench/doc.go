// Package bench measures a server of meter.v1 from outside, beside what it could do at most: empty calls to the same
// server, and the naive way, which is one transaction per request on the same database without gRPC.
//
// Turns of callers who are known by tokens, under TLS, are measured beside those of callers who are not.
//
// Two loads of their own show what a server does with more than it can carry, and what one organization that asks for much
// does to the others.
//
// What is compared is measured in slices of two seconds at most, one after the other and again, so that whatever else
// the machine does falls on all of it alike. A run ends with the check that every acknowledged turn is in the pools.
package bench
