"""How fast the project is on this machine: against its peak, against PyTorch and librosa."""
