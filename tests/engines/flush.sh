#!/bin/sh
# Needs 2 s to flush after a SIGTERM, and writes how many it has received.
# usage: flush.sh DIRECTORY
received=0
trap 'received=$((received + 1))' TERM
touch "$1/ready"
# Short sleeps: a signal just before the wait does not interrupt it.
while [ $received = 0 ]; do
    sleep 0.2 &
    wait $!
done
sleep 2 || exit
echo "SIGTERM received: $received" >"$1/flushed"
