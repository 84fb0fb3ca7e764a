#!/bin/bash
# Records a Connect worker's answers: record-rest.sh URL < requests > record
#
# Requests are lines `### METHOD path [-H Name:value]... [-d body]`, nothing quoted; lines `### wait SECONDS` wait. Other
# lines are left out, so that a record can be its own list of requests.
set -eu
url=$1
while IFS= read -r line; do
    [[ $line == '### '* ]] || continue
    read -r _ method path arguments <<< "$line"
    if [ "$method" = wait ]; then
        sleep "$path"
        continue
    fi
    curl_arguments=()
    # A body is the rest of the line.
    if [[ " $arguments" == *' -d '* ]]; then
        padded=" $arguments"
        curl_arguments+=(-d "${padded#* -d }")
        arguments=${padded%% -d *}
    fi
    while [[ $arguments == *-H* ]]; do
        header=${arguments#*-H }
        arguments=${header#* -H }
        [ "$arguments" = "$header" ] && arguments='' || arguments="-H $arguments"
        curl_arguments+=(-H "${header%% -H *}")
    done
    printf '%s\n' "$line"
    [ "$method" = HEAD ] && curl_arguments+=(-I) || curl_arguments+=(-X "$method")
    curl -s -i "${curl_arguments[@]}" "$url$path" | tr -d '\r' | grep -av -e '^Date: ' -e '^Server: '
    printf '\n\n'
done
