// Package mesh carries the messages of package sharing between replicas: gRPC over TLS 1.3, in which both sides prove that they
// have a key that the other side trusts.
package mesh
