package redis

import (
	"crypto/sha1" //nolint:gosec // it is how the server names scripts
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"time"

	"github.com/penstock/penstock/proxy/limit"
)

// script is a program for the server.
type script struct {
	// name is part of the keys that the script writes.
	name, text, sha string
	// args appends those for one key.
	args func(args []any, a *limit.Ask, force bool) []any
}

var (
	//go:embed bucket.lua
	bucketText string
	//go:embed window.lua
	windowText string
	//go:embed alive.lua
	aliveText string

	alive = newScript("replicas", aliveText, nil)
	// scripts decide for any number of keys at once, whose limits have the same algorithm.
	scripts = [...]*script{
		limit.TokenBucket:   newScript("bucket", bucketText, bucketArgs),
		limit.SlidingWindow: newScript("window", windowText, windowArgs),
	}
)

func newScript(name, text string, args func([]any, *limit.Ask, bool) []any) *script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // it is how the server names scripts
	return &script{name: name, text: text, sha: hex.EncodeToString(sum[:]), args: args}
}

func (s *script) key(k limit.Key) string {
	return prefix + s.name + ":" + base64.RawURLEncoding.EncodeToString(k[:])
}

func bucketArgs(args []any, a *limit.Ask, force bool) []any {
	return append(args, a.Cost, force, a.Limit.Burst, microseconds(a.Limit.Period)/float64(a.Limit.Requests))
}

func windowArgs(args []any, a *limit.Ask, force bool) []any {
	return append(args, a.Cost, force, a.Limit.Requests, microseconds(a.Limit.Period)/limit.Slots, limit.Slots)
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
