//go:build !linux

package file

import (
	"io/fs"
	"time"
)

// identify returns the zero identity: here every file is read each time.
func identify(fs.FileInfo, time.Time) identity { return identity{} }
