#!/bin/sh
# The reference application, which starts only when the file GATE is there.
while ! [ -e "$GATE" ]; do
    sleep 0.02
done
exec "$STICKY_BINARY" app
