#!/bin/sh
# Needs 2 s to flush when it is told to stop, and writes down how often it was told.
# usage: flush.sh DIRECTORY
told=0
trap 'told=$((told + 1))' TERM
touch "$1/ready"
# Short sleeps: a signal just before the wait does not interrupt it.
while [ $told = 0 ]; do
    sleep 0.2 &
    wait $!
done
sleep 2 || exit
echo "told $told" >"$1/flushed"
