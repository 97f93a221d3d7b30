package main

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
)

// memoryShare is how much of the control group's memory limit the Go heap may take, in percent. The rest is for the
// kernel's buffers of sockets, which count too.
const memoryShare = 80

// limitMemory makes the collector work harder as memory nears the limit of the control group, rather than have the kernel end
// the process. GOMEMLIMIT in the environment has precedence. It returns the limit that holds, in bytes; math.MaxInt64 for none.
func limitMemory(root fs.FS) (int64, error) {
	if os.Getenv("GOMEMLIMIT") == "" {
		limit, err := cgroupMemory(root)
		switch {
		case errors.Is(err, errUnlimited):
		case err != nil:
			return debug.SetMemoryLimit(-1), err
		default:
			debug.SetMemoryLimit(limit / 100 * memoryShare)
		}
	}
	return debug.SetMemoryLimit(-1), nil
}

// errUnlimited says that no control group, or none that can be seen from here, limits the memory.
var errUnlimited = errors.New("no control group limits the memory")

// unlimited is more than any machine has; version 1 says "no limit" by a number near math.MaxInt64.
const unlimited = math.MaxInt64 >> 4

// cgroupMemory returns the least memory limit, in bytes, of the process's group and of those above it, in the control groups of
// either version. root is the root of the file system. It fails with errUnlimited if there is no limit.
func cgroupMemory(root fs.FS) (int64, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, errUnlimited // no Linux, or without control groups
	}
	if err != nil {
		return 0, err
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	least := int64(unlimited)
	for _, h := range []hierarchy{
		{kind: "cgroup2", file: "memory.max"},
		{kind: "cgroup", controller: "memory", file: "memory.limit_in_bytes"},
	} {
		h.path, h.known = h.group(groups)
		h.mountAt(mounts)
		least = min(least, h.least(root))
	}
	if least >= unlimited {
		return 0, errUnlimited
	}
	return least, nil
}

// hierarchy is a tree of groups. Version 2 has one, without a name; version 1 has one for each controller, or for several.
type hierarchy struct {
	kind, controller string // the file system's type, and the controller if it is of version 1
	file             string // that has the limit
	path             string // of the process's group, as it stands in /proc/self/cgroup
	known            bool
	mount, root      string // where the tree is mounted, and which group stands there
}

// group finds the path of the process's group: lines are "number:controllers:path" (cgroups(7)).
func (h *hierarchy) group(file []byte) (string, bool) {
	for line := range strings.Lines(string(file)) {
		parts := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(parts) == 3 && (parts[1] == h.controller || h.controller != "" && has(parts[1], h.controller)) {
			return parts[2], true
		}
	}
	return "", false
}

// mountAt finds where the tree is mounted. Lines are "id parent device root mountpoint options [tags] - type source options"
// (proc_pid_mountinfo(5)).
func (h *hierarchy) mountAt(file []byte) {
	for line := range strings.Lines(string(file)) {
		before, after, _ := strings.Cut(line, " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if len(place) < 5 || len(kind) < 3 || kind[0] != h.kind || h.controller != "" && !has(kind[2], h.controller) {
			continue
		}
		h.root, h.mount = unescape.Replace(place[3]), unescape.Replace(place[4])
		return
	}
	h.known = false
}

// least returns the least limit from the group up to the mount, or unlimited. A group that can't be seen from here stands above
// the mount, and what is mounted then is the nearest that can.
func (h *hierarchy) least(root fs.FS) int64 {
	if !h.known {
		return unlimited
	}
	below := strings.TrimPrefix(h.path, strings.TrimSuffix(h.root, "/"))
	if !strings.HasPrefix(h.path, h.root) || strings.Contains(h.path, "..") {
		below = "/"
	}
	least := int64(unlimited)
	for ; ; below = path.Dir(below) {
		least = min(least, limitIn(root, path.Join(h.mount, below, h.file)))
		if below == "/" || below == "." || below == "" {
			return least
		}
	}
}

// limitIn reads one limit; "max" stands for none, and the topmost group has no file.
func limitIn(root fs.FS, name string) int64 {
	b, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
	if err != nil {
		return unlimited
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return unlimited
	}
	return n
}

// unescape undoes how the kernel writes blanks in paths.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

func has(list, word string) bool { return slices.Contains(strings.Split(list, ","), word) }
