package file

import (
	"io/fs"
	"syscall"
	"time"
)

// doubt is how old the last change of a file must be for its identity to tell of the next one: a file system's clock may
// stand still for up to 2 s (FAT).
const doubt = 2 * time.Second

// identify returns the identity of a file as it was found at a time, or the zero one if a change after that could go
// unnoticed.
func identify(info fs.FileInfo, at time.Time) identity {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || at.Sub(time.Unix(stat.Ctim.Unix())) <= doubt {
		return identity{}
	}
	return identity{stat.Dev, stat.Ino, stat.Size, stat.Ctim.Nano()}
}
