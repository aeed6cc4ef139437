"""Constants of the reference's front end."""

SAMPLE_RATE = 22050
N_FFT = 441
HOP = 200
N_MELS = 128
AMIN = 1e-10
TOP_DB = 80.0
