#!/usr/bin/env bash
# Brings this machine and this checkout to where everything else works: Debian packages and node modules.
# Run it as often as you like: it only does what is missing, and says so. Starts no daemon.
# `infra/setup.sh modules` leaves the system's packages alone, which is enough for what only reads the sources.
# `infra/setup.sh docker` brings what hosts of a lab need for containers, beside the modules; nothing asks for it unbidden.
# `infra/setup.sh libvirt` likewise for virtual machines: libvirt, qemu, and a guest to boot.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly PACKAGES=(
  redis-server nats-server                     # what `weft up` and the tests run as their children
  iproute2 iputils-ping iputils-arping         # the agent's tools, and what the lab's guests do
  netcat-openbsd procps util-linux
  openvswitch-switch ethtool                   # what hosts of the lab have in place of the kernel's bridges
  nftables iptables firewalld network-manager  # what real hosts have beside weft, and hosts of the lab in the tests
  dbus
  dnsmasq-base dnsmasq-utils radvd             # DHCP, leases given back, and router advertisements of networks
  conntrack libndp-tools                       # connections of routers, and what tells neighbours of IPv6 addresses
  udhcpc                                       # the DHCP client of the lab's guests
  isc-dhcp-client                              # one that speaks DHCPv6, for the tests
)
readonly POLICY=/usr/sbin/policy-rc.d
readonly POLICY_MARK='# written by infra/setup.sh of weft for the length of an installation'
readonly LOCKFILE=package-lock.json
readonly STAMP=node_modules/.weft-setup
# cli/lab/docker-files.ts looks for it there.
readonly DOCKER=node_modules/.cache/weft/docker
# cli/lab/libvirt-files.ts looks for it there.
readonly LIBVIRT=node_modules/.cache/weft/libvirt
# What a guest's kernel has as modules and needs for a network card, each after what it uses.
readonly GUEST_MODULES=(
  drivers/virtio/virtio_ring drivers/virtio/virtio drivers/virtio/virtio_pci_modern_dev
  drivers/virtio/virtio_pci_legacy_dev drivers/virtio/virtio_pci
  net/core/failover drivers/net/net_failover drivers/net/virtio_net
)

say() { printf 'setup: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

as_root() {
  if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

missing_packages() {
  local package
  local -A installed=()
  while read -r package; do
    installed[$package]=1
  done < <(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "${PACKAGES[@]}" 2>/dev/null |
    sed -n 's/^installed //p')
  for package in "${PACKAGES[@]}"; do
    [[ -v installed[$package] ]] || printf '%s\n' "$package"
  done
}

# Debian starts a server when it is installed, unless policy-rc.d says no. weft starts its own, on private sockets.
forbid_daemons() {
  if as_root test -e "$POLICY" && ! as_root grep -qxF "$POLICY_MARK" "$POLICY"; then
    say "$POLICY is there already and decides whether servers start; it stays as it is"
    return
  fi
  trap allow_daemons EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  printf '#!/bin/sh\n%s\nexit 101\n' "$POLICY_MARK" | as_root tee "$POLICY" >/dev/null
  as_root chmod 755 "$POLICY"
}

# A policy of somebody else stays, also when it came while ours was wanted.
allow_daemons() {
  if as_root grep -qsxF "$POLICY_MARK" "$POLICY"; then as_root rm -f "$POLICY"; fi
}

disable_units() {
  local unit
  for unit in "$@"; do
    as_root systemctl disable --quiet "$unit.service" >/dev/null 2>&1 ||
      say "$unit may start at the next boot: systemctl disable $unit"
  done
}

# Without this a new server would come up at the next boot, on its well-known port.
keep_from_boot() {
  command -v systemctl >/dev/null || return 0
  local package
  for package in "$@"; do
    case $package in
      # The last brings ovsdb-server and ovs-vswitchd along, whose units nothing else wants.
      redis-server | nats-server | openvswitch-switch | radvd)
        disable_units "$package"
        ;;
      # These would filter this machine's traffic, and manage its interfaces.
      nftables | firewalld) disable_units "$package" ;;
      network-manager) disable_units NetworkManager NetworkManager-wait-online NetworkManager-dispatcher ;;
    esac
  done
}

install_packages() {
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    die "this is not a Debian system (no apt-get): install what these bring, then run this again: ${PACKAGES[*]}"
  local missing
  mapfile -t missing < <(missing_packages)
  [[ ${#missing[@]} -eq 0 ]] && return

  [[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
    die "packages are missing and this is neither root nor has sudo; as root: apt-get install --no-install-recommends ${missing[*]}"
  [[ $EUID -eq 0 ]] || sudo -n true 2>/dev/null || [[ -t 0 ]] ||
    die "packages are missing and sudo wants a password: run this in a terminal, or as root: apt-get install --no-install-recommends ${missing[*]}"

  say "installing ${missing[*]}"
  local -a apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  as_root "${apt[@]}" update || die 'apt-get update failed: is there a network, and a mirror in /etc/apt/sources.list?'
  forbid_daemons
  local said
  said=$(as_root "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" 2>&1) || {
    printf '%s\n' "$said" >&2
    die "apt-get could not install ${missing[*]}; what it said stands above"
  }
  keep_from_boot "${missing[@]}"
  allow_daemons
}

install_modules() {
  # Node 24 itself is among the modules; npm runs on the Node of the machine, never on the one it is about to replace.
  PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vxF "$PWD/node_modules/.bin" | paste -sd:)
  local wanted
  wanted=$(sha256sum <"$LOCKFILE")
  # By content: after a checkout the times of files say nothing.
  [[ -f $STAMP && $(<"$STAMP") == "$wanted" && -x node_modules/.bin/node ]] && return

  command -v npm >/dev/null || die 'there is no npm: install Node.js 20 or later, which brings it'
  say 'installing node modules'
  npm ci --no-fund --no-audit --loglevel=error >&2 || die 'npm ci failed; what it said stands above'
  [[ -x node_modules/.bin/node ]] ||
    die "there is no Node 24 in npm for this machine ($(uname -s) $(uname -m)): weft runs on Linux, x64 or arm64"
  printf '%s\n' "$wanted" >"$STAMP"
}

has_docker() {
  [[ -n $(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin type -P dockerd) ]]
}

# Into the current folder: what apt would install for docker here, without what it only recommends, and busybox.
download_docker() {
  local -a packages=()
  if ! has_docker; then
    mapfile -t packages < <(
      apt-get --simulate --no-install-recommends install docker.io | sed -n 's/^Inst \([^ ]*\) .*/\1/p'
    )
    [[ ${#packages[@]} -gt 0 ]] || return
  fi
  apt-get -qq download busybox-static "${packages[@]}"
}

# Docker for hosts of a lab, unless this machine has it: its packages are unpacked and not installed, so that no daemon is set
# up here. And the files of busybox alone, of which the lab makes an image.
unpack_docker() {
  [[ -f $DOCKER/busybox.tar ]] && { has_docker || [[ -x $DOCKER/system/usr/sbin/dockerd ]]; } && return
  command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    die 'this is not a Debian system (no apt-get), and what the lab wants of docker and busybox comes in its packages'

  local draft=$PWD/$DOCKER.draft package applet
  rm -rf "$draft" "$DOCKER"
  mkdir -p "$draft"/{packages,system,busybox}
  say 'downloading docker for the lab'
  {
    # Lists of packages age: what they name may not be there any more.
    (cd "$draft/packages" && download_docker) ||
      { as_root apt-get -qq update && (cd "$draft/packages" && download_docker); }
  } >"$draft/log" 2>&1 || {
    cat "$draft/log" >&2
    die 'apt-get could not download it; what it said stands above'
  }
  for package in "$draft"/packages/*.deb; do
    case $package in
      */busybox-static_*) dpkg -x "$package" "$draft/busybox" ;;
      *) dpkg -x "$package" "$draft/system" ;;
    esac
  done
  # What Debian's alternatives do where it is installed.
  if [[ -e $draft/system/usr/sbin/xtables-nft-multi ]]; then
    for applet in {ip,ip6}tables{,-save,-restore}; do ln -sf xtables-nft-multi "$draft/system/usr/sbin/$applet"; done
  fi
  rm -rf "$draft/busybox/usr"
  mkdir -p "$draft"/busybox/{etc,root,tmp}
  for applet in $("$draft/busybox/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$draft/busybox/bin/$applet"
  done
  tar --create --file "$draft/busybox.tar" --directory "$draft/busybox" --owner=0 --group=0 .
  rm -rf "$draft"/{packages,busybox,log}
  mv "$draft" "$DOCKER"
}

has_libvirt() {
  local program
  for program in libvirtd virsh qemu-system-x86_64; do
    [[ -n $(PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin type -P "$program") ]] || return
  done
}

# Into the current folder: what apt would install for libvirt and qemu here, a kernel for guests, and busybox.
download_libvirt() {
  local kernel
  local -a packages=()
  kernel=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[^ ]*\).*/\1/p' | head -n 1)
  [[ -n $kernel ]] || return
  if ! has_libvirt; then
    mapfile -t packages < <(
      apt-get --simulate --no-install-recommends install libvirt-daemon libvirt-clients qemu-system-x86 |
        sed -n 's/^Inst \([^ ]*\) .*/\1/p'
    )
    [[ ${#packages[@]} -gt 0 ]] || return
  fi
  apt-get -qq download busybox-static "$kernel" "${packages[@]}"
}

# libvirt and qemu for hosts of a lab, unless this machine has them: unpacked and not installed, so that no daemon is set up
# here. And a guest: Debian's kernel, and a root of busybox that is its own initramfs.
unpack_libvirt() {
  if [[ -f $LIBVIRT/guest/initrd.gz ]] && { has_libvirt || [[ -x $LIBVIRT/system/usr/sbin/libvirtd ]]; } &&
    cmp --quiet infra/guest-init.sh "$LIBVIRT/guest/init.sh"; then
    return
  fi
  [[ $(uname -m) == x86_64 ]] || die "the lab boots virtual machines on x86_64 only; this is $(uname -m)"
  command -v apt-get >/dev/null && command -v dpkg >/dev/null ||
    die 'this is not a Debian system (no apt-get), and what the lab wants of libvirt and qemu comes in its packages'

  local draft=$PWD/$LIBVIRT.draft package
  rm -rf "$draft" "$LIBVIRT"
  mkdir -p "$draft"/{packages,system,kernel,busybox,guest}
  say 'downloading libvirt, qemu and a guest for the lab'
  {
    # Lists of packages age: what they name may not be there any more.
    (cd "$draft/packages" && download_libvirt) ||
      { as_root apt-get -qq update && (cd "$draft/packages" && download_libvirt); }
  } >"$draft/log" 2>&1 || {
    cat "$draft/log" >&2
    die 'apt-get could not download it; what it said stands above'
  }
  for package in "$draft"/packages/*.deb; do
    case $package in
      */busybox-static_*) dpkg -x "$package" "$draft/busybox" ;;
      */linux-image-*) dpkg -x "$package" "$draft/kernel" ;;
      *) dpkg -x "$package" "$draft/system" ;;
    esac
  done
  make_guest "$draft"
  # Debian's /lib is /usr/lib; what else is outside of /usr is for an installed system: the lab has settings of its own.
  cp -a "$draft/system/lib/." "$draft/system/usr/lib/"
  find "$draft/system" -mindepth 1 -maxdepth 1 ! -name usr -exec rm -rf {} +
  rm -rf "$draft"/{packages,kernel,busybox,log}
  mv "$draft" "$LIBVIRT"
}

make_guest() {
  local root=$1/root applet module number=10
  local -a modules
  mkdir -p "$root"/{bin,dev,etc,modules,proc,sys,tmp}
  cp "$1/busybox/bin/busybox" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
  done
  for module in "${GUEST_MODULES[@]}"; do
    modules=("$1"/kernel/lib/modules/*/kernel/"$module".ko*)
    cp "${modules[0]}" "$root/modules/$number-${modules[0]##*/}"
    number=$((number + 1))
  done
  install -m 755 infra/guest-init.sh "$root/init"
  # Tells whether the guest is this one.
  cp infra/guest-init.sh "$1/guest/init.sh"
  (cd "$root" && find . | "$root/bin/busybox" cpio -o -H newc -R 0:0 2>/dev/null | gzip -9) >"$1/guest/initrd.gz"
  cp "$1"/kernel/boot/vmlinuz-* "$1/guest/vmlinuz"
  rm -rf "$root"
}

[[ $(uname -s) == Linux ]] || die "weft needs Linux; this is $(uname -s)"
# Two at once would take each other's modules away.
exec 9<"$LOCKFILE"
flock 9
case ${1-all} in
  all)
    install_packages
    install_modules
    ;;
  modules) install_modules ;;
  docker) unpack_docker ;;
  libvirt) unpack_libvirt ;;
  *) die 'usage: infra/setup.sh [modules | docker | libvirt]' ;;
esac
