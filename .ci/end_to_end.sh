#!/usr/bin/env bash
# From matrix to report with real networks in three frameworks; a second run measures nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/matrix.yaml" <<'YAML'
protocol: {replicates: 2, max_time_s: 1, min_time_s: 0.2, warmup_max_s: 0.5, quiet_wait_s: 1, contention_retries: 0}
axes: {backend: [pytorch, onnxruntime, openvino], model: [resnet18, squeezenet1_1], batch_size: [1, 2], input_px: 224}
YAML
dyno=".venv/bin/dyno"
$dyno plan --matrix "$folder/matrix.yaml" --results "$folder"
$dyno run --matrix "$folder/matrix.yaml" --results "$folder"
$dyno run --matrix "$folder/matrix.yaml" --results "$folder" | grep "nothing is missing" >/dev/null
$dyno status --matrix "$folder/matrix.yaml" --results "$folder" | tee "$folder/status"
grep -q "^12 done, 0 failed, 0 skipped" "$folder/status"
$dyno report --results "$folder"
test -s "$folder/report/index.html"
ls "$folder"/report/figures/*.png "$folder"/report/tables/*.csv >/dev/null
echo "end to end: 12 cells measured, merged and reported"
