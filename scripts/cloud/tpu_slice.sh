#!/usr/bin/env bash
# Dreams on a slice of Google's TPU VMs, one process per host. Untested.
#
#   TPU=my-slice ZONE=us-central2-b REPOSITORY=https://example.org/dreamsound.git \
#     scripts/cloud/tpu_slice.sh --input='gs://bucket/*.wav' --num_clips=10000 --batch_size=256 \
#     --seed=1 --output_dir=gs://bucket/dreams
#
# The hosts install the package from REPOSITORY, a git address that they can reach.
set -euo pipefail
: "${TPU:?the name of the slice}" "${ZONE:?its zone}" "${REPOSITORY:?a git address of this package}"

on_every_host() {
  gcloud compute tpus tpu-vm ssh "$TPU" --zone="$ZONE" --worker=all --command="$1"
}

on_every_host "python3 -m venv ~/dream && ~/dream/bin/pip install --quiet 'jax[tpu]' gcsfs \
  'dreamsound-jax @ git+$REPOSITORY'"
# On TPU VMs, JAX finds the other hosts by itself.
on_every_host "~/dream/bin/dreamsound --distributed $(printf '%q ' "$@")"
