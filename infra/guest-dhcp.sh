#!/bin/sh
# What udhcpc does with a lease in a lab's guest: address, MTU and routes on its device, name servers in the file RESOLV_CONF.
set -eu

case "$1" in
  deconfig)
    ip -4 addr flush dev "$interface" scope global
    ip link set dev "$interface" up
    ;;
  bound | renew)
    ip addr replace "$ip/${mask:-32}" ${broadcast:+broadcast "$broadcast"} dev "$interface"
    if [ -n "${mtu:-}" ]; then ip link set dev "$interface" mtu "$mtu"; fi
    # RFC 3442: who is given classless routes takes no notice of the router.
    if [ -n "${staticroutes:-}" ]; then
      # shellcheck disable=SC2086 # pairs of words
      set -- $staticroutes
      while [ $# -ge 2 ]; do
        if [ "$2" = 0.0.0.0 ]; then
          ip route replace "$1" dev "$interface"
        else
          ip route replace "$1" via "$2" dev "$interface"
        fi
        shift 2
      done
    else
      for each in ${router:-}; do ip route replace default via "$each" dev "$interface"; done
    fi
    {
      if [ -n "${domain:-}" ]; then printf 'search %s\n' "$domain"; fi
      for each in ${dns:-}; do printf 'nameserver %s\n' "$each"; done
    } >"$RESOLV_CONF"
    ;;
esac
