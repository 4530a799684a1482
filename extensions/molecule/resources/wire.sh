#!/bin/sh
# A wire with this machine at one end and a network namespace, named by the argument, at the other.
set -eu

ip netns add "$1"
ip link add wire0 type veth peer name wire1
ip link set wire1 netns "$1"
ip address add 10.66.0.1/24 dev wire0
ip address add fd66::1/64 dev wire0 nodad
ip link set wire0 up
ip -netns "$1" address add 10.66.0.2/24 dev wire1
ip -netns "$1" address add fd66::2/64 dev wire1 nodad
ip -netns "$1" link set lo up
ip -netns "$1" link set wire1 up
