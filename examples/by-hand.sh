#!/bin/sh
# Shows: PID namespaces by hand: one with podinit as PID 1, one within it, and a pod that is entered with nsenter.
# Came out: NSpid has a pid for each namespace; who enters has PPid 0; `kill -HUP 1` there reaches the app.
# usage, as root: by-hand.sh PODINIT
set -eu
podinit=$1

echo "== a namespace"
unshare --fork --pid --mount-proc "$podinit" -- sh -c 'echo "PID 1 is $(cat /proc/1/comm), this is $$"'

echo "== without --fork"
# Its first child is PID 1, and with that the namespace has ended.
unshare --pid sh -c 'env true; env true; :' 2>/dev/null || echo "a second process cannot be started"

echo "== one within it, seen from the outer one"
unshare --fork --pid --mount-proc "$podinit" -- sh -c '
    unshare --fork --pid "$1" -- grep NSpid /proc/self/status
' sh "$podinit"

echo "== a pod"
unshare --fork --pid --mount-proc "$podinit" --pause &
unshare=$!
until pause=$(pgrep -P "$unshare") && grep -q '^NSpid:.*[[:space:]]1$' "/proc/$pause/status"; do sleep 0.1; done
enter() { nsenter --target "$pause" --pid --mount -- "$@"; }

enter sh -c 'kill -0 "$1" 2>/dev/null || echo "a process outside cannot be signalled"' sh $$
# A shell cannot trap what is ignored from the start, as SIGHUP is under nohup(1).
enter env --default-signal=HUP sh -c 'trap "echo reloaded; exit 0" HUP; grep PPid /proc/$$/status; while :; do sleep 0.1 & wait $!; done' &
app=$!
# Until it has its handler of SIGHUP, which is the last bit.
until enter sh -c 'grep -q "SigCgt:.*[13579bdf]$" "/proc/$(pgrep -P 0 -o -x sh)/status"'; do sleep 0.1; done
enter kill -HUP 1
wait "$app"
kill "$pause"
wait "$unshare"
echo "PID 1 has ended with $?"
