#!/usr/bin/env bash
# Makes everything that is derived from proto/. `make gen-check` runs it and expects no difference.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PWD/.venv/bin:$PATH"
# The plugin leaves out an __init__.py that exists relative to where it runs, so it runs where none does. It also reports
# every file it writes; that is shown only when something goes wrong.
if ! log=$(cd proto && buf generate 2>&1); then
  printf '%s\n' "$log" >&2
  exit 1
fi
# Internal: served on second ports, to services with credentials.
internal=(--exclude-path proto/firewalker/event --exclude-path proto/firewalker/user/v1/social_graph.proto
  --exclude-path proto/firewalker/step/v1/standing.proto
  --exclude-path proto/firewalker/user/v1/session_check.proto)
# What clients may know: reflection on the public ports, the transcoder, OpenAPI. Comments included.
buf build proto --as-file-descriptor-set "${internal[@]}" --output firewalker/gen/api.binpb
# Everything, for the processes themselves.
buf build proto --as-file-descriptor-set --exclude-source-info --output firewalker/gen/internal.binpb
# Every refusal that a client can meet.
python -m firewalker.cli.reasons >firewalker/gen/reasons.md
