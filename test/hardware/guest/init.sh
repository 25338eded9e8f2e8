#!/bin/busybox sh
# The guest's first program: loads the modules, lays a writable layer over the host's files and goes on there.
b=/bin/busybox
$b mkdir -p /proc /sys /dev /lower /upper /new
$b mount -t devtmpfs dev /dev
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
# Each line is a file and its parameters.
while read -r file parameters; do
  $b insmod "/modules/$file" $parameters || echo "module $file is not loaded"
done < /modules/order
. /environment
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,ro host /lower
$b mount -t tmpfs tmpfs /upper
$b mkdir /upper/files /upper/work
$b mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work overlay /new
# Moved, they would stay those of the first file system.
$b mount -t devtmpfs dev /new/dev
$b mount -t proc proc /new/proc
$b mount -t sysfs sys /new/sys
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts devpts /new/dev/pts
for folder in run tmp dev/shm; do $b mount -t tmpfs tmpfs "/new/$folder"; done
$b chmod 1777 /new/tmp
# A checkout may lie in a folder that was just mounted over.
$b mkdir -p "/new$STAMMKUNDE_PROJECT"
$b mount -o bind "/lower$STAMMKUNDE_PROJECT" "/new$STAMMKUNDE_PROJECT"
$b mount -t configfs configfs /new/sys/kernel/config
# As process 1, so that udev's programs do not think they are in somebody's chroot and refuse to work.
exec $b chroot /new /bin/sh "$STAMMKUNDE_PROJECT/test/hardware/guest/begin.sh"
