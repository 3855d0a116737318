#!/bin/sh
# Tracks a folder of pictures over HTTP with curl alone.
set -e
server=${1:-http://127.0.0.1:8765}
folder=${2:-demo-output/frames}
phrase=${3:-red circle}
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
call() { curl --silent --show-error --fail-with-body ${MASKLET_KEY:+--header "Authorization: Bearer $MASKLET_KEY"} "$@"; }
ask() { call "$server/v1/$1" --data "$2"; }

upload=$(tar -c -C "$folder" . | call --data-binary @- "$server/v1/uploads" | field upload_id)
session=$(ask handle_request "{\"type\":\"start_session\",\"upload_id\":\"$upload\"}" | field session_id)
ask handle_request "{\"type\":\"add_prompt\",\"session_id\":\"$session\",\"frame_index\":0,\"text\":\"$phrase\",\"mask_format\":\"none\"}"
echo
# One line of JSON per frame, as it is computed.
ask handle_stream_request "{\"type\":\"propagate_in_video\",\"session_id\":\"$session\",\"mask_format\":\"none\"}"
ask handle_request "{\"type\":\"close_session\",\"session_id\":\"$session\"}"
