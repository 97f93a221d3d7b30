package main

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime/debug"
	"testing"
	"testing/fstest"
)

// tree is a file system with these files, as they are found on real machines.
func tree(files map[string]string) fs.FS {
	t := fstest.MapFS{}
	for name, text := range files {
		t[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return t
}

const (
	mountsV2 = `23 29 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:14 - proc proc rw
24 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
33 24 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
`
	mountsV1 = `34 25 0:29 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,size=4096k,nr_inodes=1024,mode=755
41 34 0:36 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:16 - cgroup cgroup rw,cpu,cpuacct
43 34 0:38 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:18 - cgroup cgroup rw,memory
`
	groupsV1 = `12:cpuset:/system.slice/docker-0123.scope
7:memory:/system.slice/docker-0123.scope
5:cpu,cpuacct:/system.slice/docker-0123.scope
1:name=systemd:/system.slice/docker-0123.scope
0::/system.slice/containerd.service
`
	noLimitV1 = "9223372036854771712\n"
)

func TestCgroupMemory(t *testing.T) {
	for _, tt := range []struct {
		name  string
		files map[string]string
		want  int64 // 0 for none
	}{
		{"a container with a namespace of its own, version 2", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/memory.max": "268435456\n",
		}, 256 << 20},
		{"a service of the machine, version 2", map[string]string{
			"proc/self/cgroup": "0::/system.slice/penstock.service\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/system.slice/memory.max":                  "max\n",
			"sys/fs/cgroup/system.slice/penstock.service/memory.max": "536870912\n",
		}, 512 << 20},
		{"a group above limits more", map[string]string{
			"proc/self/cgroup": "0::/kubepods.slice/kubepods-pod1.slice/cri-1.scope\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/kubepods.slice/memory.max":                                 "8589934592\n",
			"sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/memory.max":             "134217728\n",
			"sys/fs/cgroup/kubepods.slice/kubepods-pod1.slice/cri-1.scope/memory.max": "max\n",
		}, 128 << 20},
		{"no limit, version 2", map[string]string{
			"proc/self/cgroup": "0::/user.slice\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/user.slice/memory.max": "max\n",
		}, 0},
		{"a group outside of the namespace, version 2", map[string]string{
			"proc/self/cgroup": "0::/../cri-2.scope\n", "proc/self/mountinfo": mountsV2,
			"sys/fs/cgroup/memory.max": "67108864\n",
		}, 64 << 20},
		{"a service of the machine, version 1", map[string]string{
			"proc/self/cgroup": groupsV1, "proc/self/mountinfo": mountsV1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes":                                noLimitV1,
			"sys/fs/cgroup/memory/system.slice/memory.limit_in_bytes":                   noLimitV1,
			"sys/fs/cgroup/memory/system.slice/docker-0123.scope/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
		{"a container that sees its own group only, version 1", map[string]string{
			"proc/self/cgroup": groupsV1,
			"proc/self/mountinfo": "900 34 0:38 /system.slice/docker-0123.scope /sys/fs/cgroup/memory " +
				"ro,nosuid,nodev,noexec,relatime master:18 - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
		{"no limit, version 1", map[string]string{
			"proc/self/cgroup": groupsV1, "proc/self/mountinfo": mountsV1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": noLimitV1,
		}, 0},
		{"both versions, the limit in version 1", map[string]string{
			"proc/self/cgroup": groupsV1,
			"proc/self/mountinfo": mountsV1 + "42 34 0:37 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:17 - " +
				"cgroup2 cgroup2 rw,nsdelegate\n",
			"sys/fs/cgroup/memory/system.slice/docker-0123.scope/memory.limit_in_bytes": "1073741824\n",
		}, 1 << 30},
		{"a mount point with a blank", map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": `33 24 0:28 / /my\040groups rw - cgroup2 cgroup2 rw` + "\n",
			"my groups/memory.max": "67108864\n",
		}, 64 << 20},
		{"no Linux", nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := cgroupMemory(tree(tt.files))
			if tt.want == 0 && !errors.Is(err, errUnlimited) || tt.want != 0 && err != nil || got != tt.want {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestLimitMemory(t *testing.T) {
	limited := tree(map[string]string{
		"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": mountsV2, "sys/fs/cgroup/memory.max": "1000000000\n",
	})
	for _, tt := range []struct {
		name, environment string
		root              fs.FS
		want              int64
	}{
		{"four fifths of the group's limit", "", limited, 800_000_000},
		{"the environment's, which the runtime has read", "1GiB", limited, math.MaxInt64},
		{"none without a group", "", tree(nil), math.MaxInt64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("GOMEMLIMIT", tt.environment)
			before := debug.SetMemoryLimit(math.MaxInt64)
			defer debug.SetMemoryLimit(before)
			if got, err := limitMemory(tt.root); err != nil || got != tt.want {
				t.Errorf("got %d, %v, want %d", got, err, tt.want)
			}
		})
	}
}

func TestThisMachinesGroupsCanBeRead(t *testing.T) {
	if _, err := cgroupMemory(os.DirFS("/")); err != nil && !errors.Is(err, errUnlimited) {
		t.Error(err)
	}
}
