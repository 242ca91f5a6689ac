// Package server puts a meterd together and takes it apart again: listeners, interceptors, services, health, and the
// order in which all of it starts and stops. It is the only package that knows all others.
package server
