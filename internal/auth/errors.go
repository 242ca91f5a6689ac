package auth

// Unauthenticated says that nobody knows who calls: there are no credentials, or they are not valid. The caller is told
// only whether they have expired; which check failed is for the log.
type Unauthenticated struct {
	Expired bool  // The credentials were good, and their time is over.
	Cause   error // Never holds the credentials themselves.
}

// Error is for the log.
func (e Unauthenticated) Error() string { return explained("not authenticated", e.Cause) }

// Unwrap is the cause.
func (e Unauthenticated) Unwrap() error { return e.Cause }

// Denied says that the caller may not do what it asks for. The caller is told no more than that, in the same words each
// time: they would tell what there is in an organization that is not its own.
type Denied struct {
	Caller Identity
	Cause  error
}

// Error is for the log.
func (e Denied) Error() string { return explained("denied to "+e.Caller.Subject, e.Cause) }

// Unwrap is the cause.
func (e Denied) Unwrap() error { return e.Cause }

func explained(what string, cause error) string {
	if cause == nil {
		return what
	}
	return what + ": " + cause.Error()
}
