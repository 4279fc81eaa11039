#!/bin/busybox sh
# The first program of the test machine. Its root is the host's, to be read, with a disk of its own above it to be written:
# nothing that tests do here reaches the host. All cgroups are version 2.
/bin/busybox mkdir -p /proc /sys /dev /host /disk /root
/bin/busybox mount -t proc proc /proc
/bin/busybox --install -s /bin
export PATH=/bin
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
. /settings

broken() {
	echo "the test machine: $1"
	sync
	poweroff -f
}

for module in /modules/*; do insmod "$module" || broken "cannot load $module"; done
mount -t virtiofs -o ro host /host || broken "cannot see the host's files"
mount -t ext4 -o noatime /dev/vda /disk || broken "cannot mount the disk"
mkdir /disk/upper /disk/work /disk/tests
mount -t overlay -o lowerdir=/host,upperdir=/disk/upper,workdir=/disk/work overlay /root || broken "cannot make a root"

cd /root
# What of the host's is not files: its processes, devices and mounts are not here.
mount -t tmpfs -o mode=755 tmpfs run
mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o nosuid,nodev,noexec sysfs sys
mount -t securityfs -o nosuid,nodev,noexec securityfs sys/kernel/security
mount -t devtmpfs -o nosuid devtmpfs dev
mkdir -p dev/pts dev/shm dev/mqueue
mount -t devpts -o nosuid,noexec,gid=5,mode=620,ptmxmode=666 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do ln -snf "${link#*:}" "dev/${link%%:*}"; done
mount -t cgroup2 -o nsdelegate cgroup2 sys/fs/cgroup
mkdir -p "lib/modules/$(uname -r)" var/tests
mount --bind "/host$modules/$(uname -r)" "lib/modules/$(uname -r)"
mount --bind /disk/tests var/tests
hostname test-machine
ip link set lo up
cp /bin/busybox run/busybox
cp /settings /job run/
exec switch_root /root /run/busybox sh /run/job
