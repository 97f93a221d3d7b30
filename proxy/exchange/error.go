package exchange

import (
	"fmt"
	"time"
)

// Source says who is to blame for a failure.
type Source string

// The sources of failure.
const (
	FromClient   Source = "client"
	FromGateway  Source = "gateway"
	FromUpstream Source = "upstream"
)

// Retry says what another attempt would risk.
type Retry uint8

const (
	// RetryNever: another attempt can't help, or might do the work twice.
	RetryNever Retry = iota
	// RetryAlways: no byte of the request was sent, so any request may be tried elsewhere.
	RetryAlways
	// RetryReplay: the request may have been seen; an idempotent one that can be replayed may be tried once more.
	RetryReplay
)

// Error is a failed exchange: what the client sees, who is to blame, may it be retried. Errors without Args and Err
// are allocated once, as package variables; With makes a copy that carries a cause.
type Error struct {
	// Status of the local reply. StatusClientClosed is logged and never sent.
	Status int
	// Code is stable, lower case and dotted ("route.not_found"): the key of the message catalogue and part of the answer.
	Code string
	// Args fill the catalogue's message.
	Args   []any
	Source Source
	Retry  Retry
	// Close tells the engine that the client's connection can't be used after the reply.
	Close bool
	// RetryAfter is when the client may try again; 0 says nothing of it.
	RetryAfter time.Duration
	// Err is the cause, for logs. Clients never see it.
	Err error
}

// StatusClientClosed is the status logged when the client left before the answer, as nginx established it.
const StatusClientClosed = 499

// Error returns the code and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Code + ": " + e.Err.Error()
	}
	return fmt.Sprintf("%s (%d)", e.Code, e.Status)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an Error of the same code, so that copies made by With equal their original.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// With returns a copy of e that names its cause.
func (e *Error) With(cause error) *Error {
	c := *e
	c.Err = cause
	return &c
}
