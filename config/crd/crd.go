// Package crd holds the generated CustomResourceDefinitions, so that a program validates with the very schema that the
// API server was given.
package crd

import "embed"

// Bases are the generated files, in the folder bases.
//
//go:embed bases/*.yaml
var Bases embed.FS
