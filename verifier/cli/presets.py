"""`verifier presets`: what the layers of a course are called, as files that a teacher can copy and change."""

import click


@click.command()
@click.option("--show", metavar="NAME", help="Print this preset's file.")
def presets(show: str | None) -> int:
    """List the presets: the names and signatures of a course's layers, to judge a file without a manifest.

    A preset is said in a manifest (preset = "cs231n"), or recognised by the names that a file defines. Its file has the form of an
    assignment: copied and handed to --assignment it is binding.
    """
    from verifier.contracts.layer.presets import catalogue

    if show is None:
        for name, description in catalogue.DESCRIPTIONS.items():
            click.echo(f"{name:16} {description}")
        return 0
    if show not in catalogue.names():
        raise click.BadParameter(f"there is no preset {show!r}. Presets: {', '.join(catalogue.names())}.", param_hint="--show")
    click.echo(catalogue.text_of(show), nl=False)
    return 0
