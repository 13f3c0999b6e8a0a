"""`verifier presets`: what the layers of a course are called, as files that a teacher can copy and change."""

import click


@click.command()
@click.option("--show", metavar="NAME", help="Print this preset's file.")
def presets(show: str | None) -> int:
    """List the presets: the names and signatures of a course's layers, to judge a file without a manifest.

    A manifest names a preset (preset = "cs231n"), or the names that a file defines show it. A preset's file has the form of an assignment:
    copied and given to --assignment, it is binding. The preset of an autograd engine is a file of contract "engine"; it is used in the
    folder that holds the engine (verifier check FOLDER --preset minitorch).
    """
    from verifier.contracts.catalogue import contract_ids, contract_of

    texts: dict[str, tuple[str, str]] = {}
    for contract in map(contract_of, contract_ids()):
        adapters = {name: file.read_text(encoding="utf-8") for name, file in contract.adapters.items()}
        texts |= {**contract.presets(), **{name: (text.split('"""')[1], text) for name, text in adapters.items()}}
    if show is None:
        for name, (description, _) in texts.items():
            click.echo(f"{name:16} {description}")
        return 0
    if show not in texts:
        raise click.BadParameter(f"there is no preset {show!r}. Presets: {', '.join(texts)}.", param_hint="--show")
    click.echo(texts[show][1], nl=False)
    return 0
