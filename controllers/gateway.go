package controllers

import "github.com/penstock/penstock/proxy/snapshot"

// Gateway is the data plane. It is safe for concurrent use, and does not keep what it is given from being read by others.
type Gateway interface {
	// Apply makes a snapshot what is served. It never fails as a whole: a route that can't be built rejects, and is
	// among the problems.
	Apply(*snapshot.Snapshot) []Problem
	// SetEndpoints replaces the endpoints of a cluster, which the snapshot that is served need not name yet.
	SetEndpoints(cluster string, endpoints []snapshot.Endpoint)
	// Snapshot is what is served; nil before the first Apply.
	Snapshot() *snapshot.Snapshot
}

// Problem is a route that could not be built as it was wanted.
type Problem struct {
	RouteID string
	// Origin is what the route was made of.
	Origin snapshot.Origin
	Err    error
}

// Fetching is what filters fetch by themselves.
type Fetching interface {
	// Failing is translate.Input.Failing. It is another map after each change.
	Failing() map[string]string
	// OnChange has a function called after each.
	OnChange(func())
}
