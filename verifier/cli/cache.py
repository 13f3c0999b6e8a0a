"""`verifier cache`: where corpora are kept, how much they take, and how to empty it."""

import click


@click.command()
@click.option("--clear", is_flag=True, help="Remove all kept networks.")
def cache(clear: bool) -> int:
    """Show where random networks are kept between runs, and how much they take.

    --clear costs only time: the next run draws them again.
    """
    from verifier.verification import cache as kept

    folder = kept.corpora_folder()
    if clear:
        click.echo(f"{folder}: {_mebibytes(kept.clear())} removed.")
    else:
        click.echo(f"{folder}: {_mebibytes(kept.kept_bytes())} of at most {_mebibytes(kept.CAP_BYTES)}.")
    return 0


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
