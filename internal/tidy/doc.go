// Package tidy holds the repository to the rules of the house: which package
// may know which, how long a function and a file may be, that every exported
// name says what it promises. They are plain Go tests that parse and never
// compile, so they answer in a fraction of a second and nobody has to remember
// them. Everything is in the tests; there is nothing here to import.
package tidy
