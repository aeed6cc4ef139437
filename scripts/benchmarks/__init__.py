"""How fast the project is on the machine at hand, against its limits and against PyTorch."""
