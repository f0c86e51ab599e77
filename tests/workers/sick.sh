#!/bin/sh
# sick.sh SLOT FLAG PROGRAM...: the program, but at this slot one that dies at once while the file
# FLAG is there.
slot=$1
flag=$2
shift 2
if [ "$STICKY_SLOT" = "$slot" ] && [ -e "$flag" ]; then
    exit 3
fi
exec "$@"
