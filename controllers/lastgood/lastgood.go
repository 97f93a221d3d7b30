// Package lastgood keeps the last good state on disk, so that a replica that restarts while there is no API server
// serves what it served before. A file is whole and of this format, or it is refused.
//
// The file is a log. It begins with the whole of one state; what changes later is appended, so that a change costs what it
// changes. Each state ends with a line that proves all lines before; what follows the last such line was cut off by a crash
// and is passed over. A log that has grown to twice its first state is written anew.
package lastgood

import (
	"errors"

	"github.com/penstock/penstock/proxy/radix"
	"github.com/penstock/penstock/proxy/snapshot"
)

// State is what a replica needs in order to serve. It may hold secrets.
type State struct {
	Snapshot *snapshot.Snapshot
	// Endpoints are those of clusters by name, as far as they have any.
	Endpoints *radix.Tree[[]snapshot.Endpoint]
}

// Why a file is refused. A missing one is fs.ErrNotExist.
var (
	// ErrFormat says that the file was written by another version of the format.
	ErrFormat = errors.New("not of this format")
	// ErrCorrupt says that the file is not what was once written.
	ErrCorrupt = errors.New("corrupt")
)

const (
	fileName = "state.jsonl"
	// format changes with everything that makes old files unreadable or changes what they mean.
	format = "penstock-state/3"
	// private keeps secrets from other users of the machine.
	private = 0o600
)

// record is one line of the file: the format, which comes first; a listener; a part of the state and its key; the key of a
// part that is no more, and its kind; or the end of a state. A line for each part keeps the memory that it takes to write
// and read the file independent of its size.
type record struct {
	Format    string               `json:"format,omitempty"`
	Listener  *snapshot.Listener   `json:"listener,omitempty"`
	Key       string               `json:"key,omitempty"`
	Route     *snapshot.Route      `json:"route,omitempty"`
	Cluster   *snapshot.Cluster    `json:"cluster,omitempty"`
	TLS       *snapshot.TLSPolicy  `json:"tls,omitempty"`
	Secret    *secret              `json:"secret,omitempty"`
	Endpoints *[]snapshot.Endpoint `json:"endpoints,omitempty"`
	Gone      kind                 `json:"gone,omitempty"`
	End       *end                 `json:"end,omitempty"`
}

// kind is a kind of parts with keys.
type kind string

const (
	routes    kind = "route"
	clusters  kind = "cluster"
	policies  kind = "tls"
	secrets   kind = "secret"
	endpoints kind = "endpoints"
)

// secret shows what snapshot.PrivateBytes hides.
type secret struct {
	Ref   snapshot.Ref `json:"ref"`
	Value []byte       `json:"value"`
}

// end proves that the file is whole up to here.
type end struct {
	// Sum is the SHA-256 of all lines before, in hex.
	Sum string `json:"sum"`
	// Version is that of the snapshot.
	Version string `json:"version"`
}
