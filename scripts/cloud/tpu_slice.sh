#!/usr/bin/env bash
# Dreams on a slice of Google's TPU VMs, one process a host. Untested.
#
#   TPU=my-slice ZONE=us-central2-b scripts/cloud/tpu_slice.sh --input='gs://bucket/*.wav' \
#     --num_clips=10000 --batch_size=256 --seed=1 --output_dir=gs://bucket/dreams
#
# The package is installed from REPOSITORY, a git address that the hosts reach.
set -euo pipefail
: "${TPU:?the name of the slice}" "${ZONE:?its zone}" "${REPOSITORY:?the git address of this package}"

on_every_host() {
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="$1"
}

on_every_host "python3 -m venv ~/dream && ~/dream/bin/pip install --quiet 'jax[tpu]' gcsfs \
  'dreamsound-jax @ git+$REPOSITORY'"
# On TPU VMs JAX finds the other hosts by itself.
on_every_host "~/dream/bin/dreamsound --distributed $(printf '%q ' "$@")"
