"""PANNs' `Cnn10` and `Cnn14` in PyTorch, with which the network of this project is compared.

They were written from the description of the published networks. A network here takes mel dB,
(1, 1, frames, mel bands), and its state dict has the names of the published files.
"""

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

SMALL = {"channels": [4, 6, 8, 10], "pools": 4}
CNN10 = {"channels": [64, 128, 256, 512], "pools": 4}
CNN14 = {"channels": [64, 128, 256, 512, 1024, 2048], "pools": 5}
MEL = {"sr": 32000, "n_fft": 1024, "n_mels": 64, "fmin": 50, "fmax": 14000}


class Block(nn.Module):
    def __init__(self, before, after):
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn1, self.bn2 = nn.BatchNorm2d(after), nn.BatchNorm2d(after)


class Panns(nn.Module):
    def __init__(self, *, channels, pools, classes, mel=None):
        super().__init__()
        self.pools, self.blocks = pools, len(channels)
        filters = librosa.filters.mel(**(mel or MEL))
        bins = filters.shape[1]
        self.spectrogram_extractor, self.logmel_extractor = nn.Module(), nn.Module()
        self.spectrogram_extractor.stft = stft = nn.Module()
        stft.conv_real = nn.Conv1d(1, bins, 2 * (bins - 1), bias=False)
        stft.conv_imag = nn.Conv1d(1, bins, 2 * (bins - 1), bias=False)
        self.logmel_extractor.melW = nn.Parameter(torch.tensor(filters.T.copy()))
        self.bn0, before = nn.BatchNorm2d(64), 1
        for block, after in enumerate(channels, 1):
            setattr(self, f"conv_block{block}", Block(before, after))
            before = after
        self.fc1 = nn.Linear(before, before)
        self.fc_audioset = nn.Linear(before, classes)

    def activations(self, mel_db):
        """Computes {layer: activation} with this project's names and PyTorch's axes."""
        x, found = self.bn0(mel_db.transpose(1, 3)).transpose(1, 3), {}
        for number in range(1, self.blocks + 1):
            block = getattr(self, f"conv_block{number}")
            for part in (1, 2):
                x = getattr(block, f"conv{part}")(x)
                x = found[f"conv{number}_{part}"] = getattr(block, f"bn{part}")(x)
                x = found[f"relu{number}_{part}"] = F.relu(x)
            if number <= self.pools:
                x = found[f"pool{number}"] = F.avg_pool2d(x, 2)
        x = x.mean(dim=3)
        x = found["pooled"] = x.max(dim=2)[0] + x.mean(dim=2)
        x = found["linear1"] = self.fc1(x)
        x = found["reluC_1"] = F.relu(x)
        found["output"] = self.fc_audioset(x)
        return found


def make_network(*, seed=0, classes=5, dtype=torch.float64, **size):
    """Draws a network in evaluation, with statistics like those of real sounds."""
    torch.manual_seed(seed)
    network = Panns(classes=classes, **size).to(dtype).eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            _draw_batch_norm(module, level=-30.0 if name == "bn0" else 0.0)
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return network


def _draw_batch_norm(norm, *, level):
    spread = 15.0 if level else 1.0
    norm.weight.data.uniform_(0.5, 1.5)
    norm.bias.data.normal_(std=0.3)
    norm.running_mean.normal_(mean=level, std=0.3 * spread)
    norm.running_var.uniform_(0.5 * spread**2, 1.5 * spread**2)
    norm.num_batches_tracked += 7


def save_as_published(network, path, *, old_format=True):
    """Saves a network in the structure of the published files, with the state of a sampler."""
    sampler = {
        "indexes_per_class": [np.arange(5), np.arange(3)],
        "queue": [np.int64(3), 1],
        "pointers_of_classes": [0, 2],
    }
    content = {"iteration": 600000, "model": network.state_dict(), "sampler": sampler}
    torch.save(content, path, _use_new_zipfile_serialization=not old_format)
    return path
