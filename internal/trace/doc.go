// Package trace reads recorded turns of real AI services and joins them to organizations and seats. It knows nothing of
// the metering service: what is done with the turns is another's matter.
//
// The join is synthetic. No public trace names the firm or the person behind a turn, so both are drawn from the hash of
// the turn's own key: the same trace gives the same organizations and seats everywhere, at every run. Floats occur here,
// in distributions; money does not.
package trace
