#!/usr/bin/env bash
# Dreams on one machine with several GPUs.
#
#   scripts/cloud/many_gpus.sh --input='loops/*.wav' --batch_size=256 --output_dir=dreams
#
# By default one process uses all GPUs, and divides each batch among them. PROCESSES=4 starts four
# processes, each with a quarter of the GPUs; this helps where one process cannot read and write as
# fast as the GPUs dream. Tested with 2 processes on CPU; on GPUs: untested.
set -euo pipefail

processes=${PROCESSES:-1}
if [ "$processes" = 1 ]; then
  exec dreamsound "$@"
fi

gpus=$(nvidia-smi --list-gpus 2>/dev/null | wc -l || true)
each=$((gpus / processes))
started=()
trap 'kill "${started[@]}" 2>/dev/null || true' EXIT
for ((id = 0; id < processes; id++)); do
  if ((each > 0)); then
    CUDA_VISIBLE_DEVICES=$(seq -s, $((id * each)) $((id * each + each - 1)))
    export CUDA_VISIBLE_DEVICES
  fi
  dreamsound "$@" --num_processes="$processes" --process_id="$id" &
  started+=($!)
done
failed=0
for process in "${started[@]}"; do
  wait "$process" || failed=$?
done
exit "$failed"
