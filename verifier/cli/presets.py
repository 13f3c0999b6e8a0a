"""`verifier presets`: what the layers of a course are called, as files that a teacher can copy and change."""

import click


@click.command()
@click.option("--show", metavar="NAME", help="Print this preset's file.")
def presets(show: str | None) -> int:
    """List the presets: the names and signatures of a course's layers, to judge a file without a manifest.

    A preset is said in a manifest (preset = "cs231n"), or recognised by the names that a file defines. Its file has the form of an
    assignment: copied and handed to --assignment it is binding. That of an autograd engine is a file of contract "engine", which is asked
    in the folder that holds the engine (verifier check FOLDER --preset minitorch).
    """
    from verifier.contracts.catalogue import contract_ids, contract_of
    from verifier.contracts.layer.presets import catalogue

    adapters = {name: file.read_text(encoding="utf-8") for one in contract_ids() for name, file in contract_of(one).adapters.items()}
    if show is None:
        described = {**catalogue.DESCRIPTIONS, **{name: text.split('"""')[1] for name, text in adapters.items()}}
        for name, description in described.items():
            click.echo(f"{name:16} {description}")
        return 0
    names = (*catalogue.names(), *adapters)
    if show not in names:
        raise click.BadParameter(f"there is no preset {show!r}. Presets: {', '.join(names)}.", param_hint="--show")
    click.echo(adapters.get(show) or catalogue.text_of(show), nl=False)
    return 0
