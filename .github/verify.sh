#!/usr/bin/env bash
# What the action does: judge, write the step summary, the annotations and JUnit, and end with the command's own status.
# Inputs come as variables, so that nothing of them is ever part of a script.
set -uo pipefail

directory="${VERIFIER_REPORT_DIR:-reports}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir -p "$directory"

options=(--report-dir "$directory")
options+=(--output "markdown=$work/summary.md" --output "annotations=$work/annotations" --output "junit=$directory/junit.xml")
[ -n "${VERIFIER_PROFILE:-}" ] && options+=(--profile "$VERIFIER_PROFILE")
[ -n "${VERIFIER_BASELINE:-}" ] && options+=(--baseline "$VERIFIER_BASELINE")
read -r -a further <<<"${VERIFIER_ARGUMENTS:-}"
mapfile -t candidates < <(sed -e 's/^[[:space:]]*//' -e 's/[[:space:]]*$//' -e '/^$/d' <<<"${VERIFIER_CANDIDATES:-}")

# What candidates print reaches this log: until the token, which they cannot know, the runner takes no command from it.
token="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
echo "::stop-commands::$token"
verifier check "${options[@]}" ${further[@]+"${further[@]}"} -- ${candidates[@]+"${candidates[@]}"} 2> >(tee "$work/errors" >&2)
status=$?
wait
echo
echo "::$token::"

if [ -f "$work/annotations" ]; then
    cat "$work/annotations"
else
    message="$(tail -n 1 "$work/errors" 2>/dev/null)"
    message="${message//'%'/%25}"
    echo "::error title=verifier::${message:-verifier ended with status $status}"
fi

summary="${GITHUB_STEP_SUMMARY:-/dev/null}"
if [ -f "$work/summary.md" ]; then
    cat "$work/summary.md" >>"$summary"
else
    printf '# 💥 Nothing was judged (status %s)\n\n```text\n%s\n```\n' "$status" "$(head -c 4000 "$work/errors" 2>/dev/null | tr -d '`')" >>"$summary"
fi
echo "status=$status" >>"${GITHUB_OUTPUT:-/dev/null}"
exit "$status"
