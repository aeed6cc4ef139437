"""Computes with TensorFlow what musicnn's VGG networks give for two sounds.

    python tests/data/make_musicnn_numbers.py musicnn-0.1.0-py3-none-any.whl

This needs tensorflow, librosa and soundfile. It writes tests/data/musicnn_numbers.npz, in which
"sounds", "models", "layers" and "<model>.tags" are lists of names, and otherwise:

  <sound>.mel_power: (187, 96), the mel power of the first three seconds.
  <model>.<sound>.logits: (50,), one for each tag.
  <model>.<sound>.best_tags: the three tags with the largest logits, the largest first.
  <model>.<sound>.shapes, .means, .deviations, .first: for each layer, its shape (frames, bands,
    channels), the mean and the standard deviation of its numbers, and the first 12 of them.

The checkpoint MSD_vgg was trained with other pools than musicnn 0.1.0 builds for it, which the
checkpoint's own graph (its file .meta) shows. "MSD_vgg" has the pools that it was trained with, and
"MSD_vgg_of_package" those that musicnn builds.
"""

import ast
import os
import pathlib
import sys
import tempfile
import zipfile

os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"  # TensorFlow's own kernels are the reference.

import librosa
import numpy as np
import tensorflow as tf

FOLDER = pathlib.Path(__file__).parent
SOUNDS = {
    "drums": FOLDER.parent.parent / "dreamsound_jax/audio/recordings/drums.flac",
    "guit_em9": FOLDER / "guit_em9.flac",
}
FRAMES = 187
PACKAGE_POOLS = [((4, 1), (2, 2)), *[((2, 2), (2, 2))] * 3, ((4, 4), (4, 4))]
MSD_POOLS = [((4, 1), (4, 1)), ((1, 4), (1, 4)), *PACKAGE_POOLS[2:]]
MODELS = {
    "MTT_vgg": ("MTT_vgg", PACKAGE_POOLS),
    "MSD_vgg": ("MSD_vgg", MSD_POOLS),
    "MSD_vgg_of_package": ("MSD_vgg", PACKAGE_POOLS),
}


def compute_mel_power(path):
    """Returns (frames, bands) of a sound whose peak is scaled to 1. Its borders are zeros."""
    sound, rate = librosa.load(path, sr=16000)
    power = librosa.feature.melspectrogram(
        y=sound / np.abs(sound).max(), sr=rate, n_fft=512, hop_length=256, n_mels=96
    )
    return power.T[:FRAMES].astype(np.float32)


def normalize(x, weights, name):
    """Applies a batch norm with the statistics of training."""
    parts = ("moving_mean", "moving_variance", "beta", "gamma")
    mean, variance, beta, gamma = (weights[f"{name}/{part}"] for part in parts)
    return tf.nn.batch_normalization(x, mean, variance, beta, gamma, variance_epsilon=1e-3)


def compute_layers(mel_power, weights, pools):
    """Returns {layer: array}, the logits last, all computed in float32."""
    x = tf.constant(np.log10(1 + np.float32(10000) * mel_power)[None, :, :, None])
    layers = {"norm0": normalize(x, weights, "batch_normalization")}
    x = layers["norm0"]
    for number, (size, strides) in enumerate(pools, start=1):
        kernel, bias = weights[f"{number}CNN/kernel"], weights[f"{number}CNN/bias"]
        x = layers[f"conv{number}"] = tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias)
        x = layers[f"relu{number}"] = tf.nn.relu(x)
        x = layers[f"norm{number}"] = normalize(x, weights, f"batch_normalization_{number}")
        x = layers[f"pool{number}"] = tf.nn.max_pool2d(x, size, strides, "VALID")
    x = tf.matmul(tf.reshape(x, [1, -1]), weights["dense/kernel"]) + weights["dense/bias"]
    return {name: layer.numpy()[0] for name, layer in {**layers, "logits": x}.items()}


def summarize(layers):
    """Returns {name of an array: array} that describes the layers but the logits."""
    logits = layers["logits"]
    layers = {name: layer for name, layer in layers.items() if name != "logits"}
    return {
        "logits": logits,
        "shapes": np.array([layer.shape for layer in layers.values()]),
        "means": np.array([layer.mean(dtype=np.float64) for layer in layers.values()]),
        "deviations": np.array([layer.std(dtype=np.float64) for layer in layers.values()]),
        "first": np.array([layer.ravel()[:12] for layer in layers.values()]),
    }


def read_wheel(path):
    """Returns ({checkpoint: {name: array}}, {checkpoint: tags}) of musicnn's wheel."""
    weights, tags = {}, {}
    with zipfile.ZipFile(path) as wheel, tempfile.TemporaryDirectory() as folder:
        wheel.extractall(folder)
        for name in ("MTT_vgg", "MSD_vgg"):
            reader = tf.compat.v1.train.NewCheckpointReader(f"{folder}/musicnn/{name}/")
            names = reader.get_variable_to_shape_map()
            weights[name] = {variable: reader.get_tensor(variable) for variable in names}
        for statement in ast.parse(wheel.read("musicnn/configuration.py")).body:
            label = statement.targets[0].id
            if label.endswith("_LABELS"):
                tags[label.replace("LABELS", "vgg")] = ast.literal_eval(statement.value)
    return weights, tags


def main():
    weights, tags = read_wheel(sys.argv[1])
    powers = {name: compute_mel_power(path) for name, path in SOUNDS.items()}
    arrays = {"sounds": np.array([*SOUNDS]), "models": np.array([*MODELS])}
    arrays |= {f"{name}.mel_power": power for name, power in powers.items()}
    for model, (checkpoint, pools) in MODELS.items():
        arrays[f"{model}.tags"] = np.array(tags[checkpoint])
        for sound, power in powers.items():
            layers = compute_layers(power, weights[checkpoint], pools)
            best_tags = arrays[f"{model}.tags"][np.argsort(-layers["logits"])[:3]]
            described = {**summarize(layers), "best_tags": best_tags}
            arrays |= {f"{model}.{sound}.{name}": array for name, array in described.items()}
            print(model, sound, best_tags)
    arrays["layers"] = np.array([name for name in layers if name != "logits"])
    np.savez_compressed(FOLDER / "musicnn_numbers.npz", **arrays)


if __name__ == "__main__":
    main()
