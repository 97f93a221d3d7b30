//go:build !linux

package yield

import (
	"errors"
	"time"
)

// Bell is for Linux. Elsewhere it can't be rung.
type Bell struct{}

// Ring fails.
func (*Bell) Ring() error { return errors.ErrUnsupported }

// RingFor fails.
func (*Bell) RingFor(time.Duration) error { return errors.ErrUnsupported }

// Close does nothing.
func (*Bell) Close() {}
