#!/bin/sh
# The first and only program of a lab's virtual machine, run by busybox: gives eth0 what the kernel's command line says
# (weft.ip=ADDRESS/PREFIX,..., weft.gw=ADDRESS,..., weft.mtu=BYTES), echoes TCP on port 7, and runs what comes by the
# second serial line.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in /modules/*; do insmod "$module" || echo "insmod $module failed"; done

argument() { sed -n "s/.*\bweft\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
hostname "$(argument name)"
# Addresses are usable at once: that no other has them is known.
for name in all default; do echo 0 >"/proc/sys/net/ipv6/conf/$name/accept_dad"; done

ip link set lo up
mtu=$(argument mtu)
[ -n "$mtu" ] && ip link set eth0 mtu "$mtu"
ip link set eth0 up
for address in $(argument ip | tr , ' '); do ip addr add "$address" dev eth0; done
for gateway in $(argument gw | tr , ' '); do ip route add default via "$gateway" dev eth0; done
nc -ll -p 7 -e cat &

# To the second: the commands of whoever asks, without echo.
stty -F /dev/ttyS1 raw -echo 115200
while :; do
  setsid sh </dev/ttyS1 >/dev/ttyS1 2>&1
  sleep 1
done &
echo "GUEST-UP $(argument name) after $(cut -d' ' -f1 /proc/uptime) s"
# Whoever is the first must not end.
while :; do setsid cttyhack sh </dev/ttyS0 >/dev/ttyS0 2>&1 || sleep 1; done
