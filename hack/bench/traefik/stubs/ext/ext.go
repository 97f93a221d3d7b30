// Package ext stands for the module that Traefik's own go.mod replaces by a folder of its tree, which its module archive
// leaves out.
package ext

// HTTP would extend the dynamic HTTP configuration.
type HTTP struct{}

// Router would extend a router.
type Router struct{}
