package redis

import (
	"crypto/sha1" //nolint:gosec // it is how the server names scripts
	_ "embed"
	"encoding/hex"
)

// script is a program for the server.
type script struct {
	// name is part of the keys that the script writes.
	name, text, sha string
}

var (
	//go:embed bucket.lua
	bucketText string
	//go:embed window.lua
	windowText string
	//go:embed alive.lua
	aliveText string

	tokenBucket   = newScript("bucket", bucketText)
	slidingWindow = newScript("window", windowText)
	alive         = newScript("replicas", aliveText)
)

func newScript(name, text string) *script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // it is how the server names scripts
	return &script{name: name, text: text, sha: hex.EncodeToString(sum[:])}
}
