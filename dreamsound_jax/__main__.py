"""`python -m dreamsound_jax` is `dreamsound`."""

from dreamsound_jax.cli.main import run_command

if __name__ == "__main__":
    run_command()
