"""Many clips: from what was asked for to what is written, batch by batch."""

import itertools
import logging
import operator
import secrets
from dataclasses import asdict, replace

from tqdm import tqdm

from dreamsound_jax import journey, models, outputs, single
from dreamsound_jax.errors import UserError
from dreamsound_jax.options import check
from dreamsound_jax.sources import collect
from dreamsound_jax.unfinished import FOLDER

log = logging.getLogger(__name__)


def run(options, *, command):
    """Dreams all clips and writes them; what fails is logged, a line each.

    Where `options.output_dir` holds a run with the same flags that was stopped, this goes on with
    it: what is done is left as it is.

    Args:
      options: an `Options`.
      command: the command line that repeats this run, but for the seed.

    Returns:
      How many clips failed.

    Raises:
      UserError: nothing can be dreamed as asked for: found before the long work starts.
    """
    check(options)
    earlier = outputs.earlier_run(options.output_dir, asdict(options))
    options = replace(options, seed=_seed(options, earlier))
    model = models.load(options.model, checkpoint=options.checkpoint, dtype=options.precision)
    sources, failed = collect(options, model.card, options.seed)
    if not sources:
        return failed
    folder = outputs.make_folder(options.output_dir)
    todo = list(_unfinished(sources, options, folder))
    if not todo:
        raise UserError(f"{options.output_dir!r} already holds this run; name another --output_dir")
    if not earlier:
        targets = _targets(sources, model.card)
        outputs.write_params(folder, flags=asdict(options), command=command, targets=targets)
    kind = journey if options.create_ouroboros else single
    passes = kind.passes(options) * sum(map(len, todo))
    with tqdm(total=passes, desc="dreaming", unit="pass", disable=None, leave=False) as bar:
        for batch in todo:
            failed += kind.dream_and_write(model, batch, options, folder=folder, bar=bar)
    (folder / FOLDER).rmtree(missing_ok=True)
    if failed:
        log.error("clips that failed, for the reasons above: %d", failed)
    return failed


def _seed(options, earlier):
    if options.seed is not None:
        return options.seed
    return earlier["seed"] if earlier else secrets.randbelow(2**31)


def _unfinished(sources, options, folder):
    """The batches with a clip that is not done. A batch has the same clips whenever it starts."""
    for batch in batches(sources, options.batch_size):
        if not all(outputs.is_done(folder, source) for source in batch):
            yield batch


def batches(sources, size):
    """Groups clips of one shape, and yields lists of up to `size` of them."""
    by_shape = operator.attrgetter("shape")
    for _, alike in itertools.groupby(sorted(sources, key=by_shape), by_shape):
        alike = list(alike)
        yield from (alike[start : start + size] for start in range(0, len(alike), size))


def _targets(sources, card):
    return {s.name: card.classes[s.target] for s in sources if s.target is not None}
