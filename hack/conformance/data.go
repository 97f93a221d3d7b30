package main

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// load reads a file of cases: an object whose "cases" is a list. It must hold as many as are pinned.
func load[C any](o options, name string, pinned int) ([]C, error) {
	if o.data == "" {
		return nil, errors.New("CONFORMANCE_DIR is not set: it names the folder that has " + name)
	}
	f, err := os.Open(filepath.Join(o.data, name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var src io.Reader = f
	if strings.HasSuffix(name, ".gz") {
		if src, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	var file struct{ Cases []C }
	if err := json.NewDecoder(src).Decode(&file); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(file.Cases) != pinned {
		return nil, fmt.Errorf("%s has %d cases, want %d", name, len(file.Cases), pinned)
	}
	return file.Cases, nil
}
