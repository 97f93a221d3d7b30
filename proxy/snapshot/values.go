package snapshot

import (
	"encoding/json"
	"time"
)

// Duration is a time.Duration that reads and writes as Go's text form, for example "1.5s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration accepts.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	*d = Duration(v)
	return err
}

// RawJSON is a JSON document that is passed through as it is.
type RawJSON = json.RawMessage

// PrivateBytes is a secret value. Whatever prints or marshals it shows only that it is there.
type PrivateBytes []byte

const redacted = "[redacted]"

// String hides the value.
func (PrivateBytes) String() string { return redacted }

// GoString hides the value from %#v.
func (PrivateBytes) GoString() string { return redacted }

// MarshalText hides the value from JSON and YAML.
func (PrivateBytes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
