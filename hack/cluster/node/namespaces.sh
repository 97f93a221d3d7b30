#!/usr/bin/env bash
# Makes the namespaces of a node and runs init.sh in them, as process 1; both end together. What it needs to know is in the
# environment: STATE, IMAGES, OWN, CNI, NAME, and a PATH with the tools (see ../cluster).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")"

# What the caller has open, such as a lock, is not for the cluster to keep open. Bash itself reads this from 255.
for fd in /proc/$$/fd/*; do
	case ${fd##*/} in
	[0-2] | 255) ;;
	*) eval "exec ${fd##*/}>&-" ;;
	esac
done

ip netns add "$NAME" || exit 1
groups=()

# cleanup removes the control groups, as soon as the kernel has seen the last process of each end, and the network.
cleanup() {
	local group
	for group in "${groups[@]}"; do
		for _ in $(seq 30); do
			find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
			[ -d "$group" ] || break
			sleep 0.1
		done
		[ ! -d "$group" ] || echo "control group left: $group" >&2
	done
	ip netns del "$NAME"
}
trap cleanup EXIT

# A control group of its own below the one of this process, for each controller: containers stay inside.
while IFS=: read -r id controllers path; do
	[ "$id" != 0 ] || continue
	group=/sys/fs/cgroup/${controllers#name=}${path%/}/$NAME-node
	mkdir -p "$group" && groups+=("$group")
	if [ "$controllers" = cpuset ]; then # empty at first, and then no process may enter
		cat "${group%/*}/cpuset.cpus" >"$group/cpuset.cpus"
		cat "${group%/*}/cpuset.mems" >"$group/cpuset.mems"
	fi
	if [[ ,$controllers, == *,cpu,* ]]; then # else a whole cluster gets no more time than any other process of the machine
		echo 8192 >"$group/cpu.shares"
	fi
done </proc/self/cgroup

(
	for group in "${groups[@]}"; do
		echo "$BASHPID" >"$group/cgroup.procs"
	done
	exec nsenter --net="/run/netns/$NAME" unshare --cgroup --mount --uts --ipc --pid --fork --kill-child=SIGKILL \
		--propagation private --mount-proc bash ./init.sh
) &
child=$!
echo "$child" >"$STATE/unshare.pid"
trap 'kill -KILL "$child"' TERM INT # unshare itself ignores TERM; with --kill-child, its end is the end of all
wait "$child"
wait "$child" 2>/dev/null # again, if it was the signal that ended the first
