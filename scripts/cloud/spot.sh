#!/usr/bin/env bash
# Dreams on a spot machine, which may be taken away at any time. Not tried on a real one: its lines
# were run on one CPU machine, with local folders.
#
# Edit the settings, and give this file to the machine as its startup script, which runs at each
# start. Inputs and results lie in a bucket, so nothing is copied. A run that was stopped goes on
# where it was, since its --output_dir is given again. When all clips are done the machine shuts
# down. On Google Cloud:
#
#   gcloud compute instances create dreamer --provisioning-model=SPOT \
#     --instance-termination-action=STOP --scopes=storage-rw,cloud-platform \
#     --machine-type=g2-standard-8 --image-family=IMAGE_WITH_A_DRIVER --image-project=PROJECT \
#     --metadata-from-file=startup-script=scripts/cloud/spot.sh
#
# A machine that was taken away must be started again: `gcloud compute instances start dreamer`, or
# a managed instance group of one machine, which does so itself.
set -euo pipefail

repository=${REPOSITORY:-https://example.org/dreamsound.git}  # a git address of this package
accelerator=${ACCELERATOR-cuda13}                             # an extra of JAX; empty for the CPU
place=${PLACE:-/opt/dreamsound}                               # of the program on this machine
when_done=${WHEN_DONE-shutdown -h now}
flags=(
  --input="${INPUT:-gs://bucket/sounds/*.wav}"
  --output_dir="${OUTPUT_DIR:-gs://bucket/dreams}"
  --batch_size="${BATCH_SIZE:-64}"
  --lengths=buckets
)

if [ ! -f "$place/installed" ]; then
  python3 -m venv "$place"
  "$place/bin/pip" install --quiet "dreamsound-jax[cloud] @ git+$repository" \
    ${accelerator:+"jax[$accelerator]"}
  touch "$place/installed"
fi

# The machine is asked to end by SIGTERM: the clips that are done are kept.
XDG_CACHE_HOME=$place/cache "$place/bin/dreamsound" "${flags[@]}" || code=$?
# 2: some clips failed, each with its reason. Any other code: the next start goes on.
if [ "${code:-0}" = 0 ] || [ "${code:-0}" = 2 ]; then
  $when_done
fi
exit "${code:-0}"
