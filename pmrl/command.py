"""The command `pmrl`: the command line if the study's packages are installed, else a message that says how."""

import sys


def main() -> int:
    """Run one command; return its exit status."""
    try:
        from pmrl.cli import main as run
    except ModuleNotFoundError as error:
        print(
            f"pmrl: error: the package {error.name} is missing: `pip install pmrl-benchmark` gives pmrl.losses alone. "
            'Run `pip install -e ".[study]"` in a checkout of the project.',
            file=sys.stderr,
        )
        return 2
    return run()
