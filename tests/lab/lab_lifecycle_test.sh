#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What ranks are told, exit statuses, and that nothing is left behind however a run ends.
# Usage: lab_lifecycle_test.sh PATH_OF_THINWIRE_LAB. Status 77: the system doesn't permit it.
lab=$1
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$lab" run --ranks 2 -- true
[[ $? == 77 ]] && { echo 'skipped: see the reason above'; exit 77; }

expect() {  # what, wanted, found
  if [[ $2 == "$3" ]]; then
    echo "ok: $1"
  else
    printf 'FAILED: %s\n  wanted: %s\n  found:  %s\n' "$1" "$2" "$3"
    failed=1
  fi
}

# Each rank of this leaves its id, starts a background job and a daemon, and sleeps.
cat >"$scratch/sleeper.sh" <<'END'
echo $$ >>"$1/pids"
sleep 300 & echo $! >>"$1/pids"
setsid sh -c 'echo $$ >>"$0/pids"; exec sleep 300' "$1" &
[ "$RANK" = "$2" ] && { sleep 0.5; exit 3; }
trap '' TERM
wait; wait; sleep 300
END
expect_gone() {
  local alive=0
  while read -r pid; do [[ -d /proc/$pid ]] && alive=$((alive + 1)); done <"$scratch/pids"
  expect "$1: processes left of $(wc -l <"$scratch/pids")" 0 "$alive"
  rm "$scratch/pids"
}

expect 'environment' \
  '[1] 1 2 0 1 10.77.0.1 4321 rate=100mbit,delay=5ms' \
  "$("$lab" run --ranks 2 --rate 100mbit --delay 5ms --port 4321 --only 1 -- sh -c \
    'echo $RANK $WORLD_SIZE $LOCAL_RANK $LOCAL_WORLD_SIZE $MASTER_ADDR $MASTER_PORT $THINWIRE_LINK')"

echo '* * 10mbit 1ms' >"$scratch/links"
expect 'link file in the environment' "file=$scratch/links" \
  "$("$lab" run --ranks 2 --matrix "$scratch/links" --only 0 --no-prefix -- printenv THINWIRE_LINK)"

echo '0 1 10mbit' >"$scratch/bad"
expect 'bad link file' \
  "thinwire-lab: --matrix: $scratch/bad: line 1: write 'from to rate delay [loss]', not 3 fields 2" \
  "$("$lab" run --matrix "$scratch/bad" -- true 2>&1 | tr '\n' ' '; echo "${PIPESTATUS[0]}")"

expect 'last line without an end' '[0] a[0] b' \
  "$("$lab" run --ranks 1 -- printf 'a\nb' | tr -d '\n')"

"$lab" run --ranks 3 --grace 0.3s -- bash "$scratch/sleeper.sh" "$scratch" 1 2>"$scratch/log"
expect 'status of a failing rank' 3 $?
expect_gone 'failing rank'

for signal in INT:130 TERM:143; do
  "$lab" run --ranks 3 --grace 0.3s -- bash "$scratch/sleeper.sh" "$scratch" none &
  pid=$!
  sleep 1
  kill -"${signal%:*}" $pid
  wait $pid
  expect "status after SIG${signal%:*}" "${signal#*:}" $?
  expect_gone "SIG${signal%:*}"
done

"$lab" run --timeout 0.5s -- sleep 60 2>"$scratch/log"
expect 'status when time is up' 124 $?
"$lab" run -- /no/such/command 2>"$scratch/log"
expect 'status of a command that is not there' 127 $?
"$lab" run --rate 5 -- true 2>"$scratch/log"
expect 'status of a usage error' 2 $?
exit $failed
