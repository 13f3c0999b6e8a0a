"""What is written to a terminal that does not know Unicode: signs in ASCII in their place, never a question mark.

An ASCII, Latin-1 or old Windows code page (cp437, cp850, cp1252) has some of our signs and not others. What it has stays; what it has
not is written as somebody without that key would write it.
"""

import codecs
import io
import sys
import unicodedata

HANDLER = "verifier-signs"
PLAIN = "verifier_ascii"
SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ˡᴸᵀ"
SIGNS = {
    **{"✓": "ok", "✗": "x", "✅": "ok", "❌": "x", "–": "-", "—": "-", "−": "-", "‐": "-", "·": "*", "×": "x", "⊙": "*", "…": "..."},
    **{"→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "∞": "inf", "½": "1/2", "¼": "1/4", "│": "|", "•": "*"},
    **{"⁻": "-", "⁺": "+", "ˡ": "l", "ᴸ": "L", "ᵀ": "T", "₀": "0", "₁": "1", "₂": "2", "₃": "3", "÷": "/", "∘": "o", "⟨": "<", "⟩": ">"},
    **{"∂": "d", "∇": "grad ", "Σ": "sum", "∑": "sum", "σ": "sigma", "δ": "delta", "η": "eta", "ε": "eps", "φ": "phi", "θ": "theta"},
    **{"ŷ": "y^", "ₐ": "_a", "λ": "lambda", "μ": "mu", "β": "beta", "γ": "gamma", "√": "sqrt", "“": '"', "”": '"', "„": '"', "‘": "'"},
    **{"’": "'", "′": "'", "«": '"', "»": '"', "\u00a0": " ", "\u202f": " ", "━": "-", "╸": "-", "╺": "-", "▸": ">", "▾": "v"},
    **{"α": "alpha", "κ": "kappa", "ξ": "xi", "Φ": "Phi", "⌊": "floor(", "⌋": ")", "¦": "|"},
    **{"➕": "+", "➖": "-", "🔸": "*", "▫": "-", "❔": "-", "💥": "!", "\ufe0f": ""},
}


def write_every_sign() -> None:
    """From now on stdout and stderr take any text, whatever their encoding is."""
    codecs.register_error(HANDLER, in_ascii)
    codecs.register(_plain)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # By another name: click takes a stream whose encoding is called ASCII for a mistake, and writes UTF-8 past it.
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=PLAIN if ascii_only else None, errors=HANDLER)


def _plain(name: str) -> codecs.CodecInfo | None:
    """ASCII under the name `PLAIN`."""
    if name != PLAIN:
        return None
    known = codecs.lookup("ascii")
    encoder, decoder = known.incrementalencoder, known.incrementaldecoder
    return codecs.CodecInfo(known.encode, known.decode, incrementalencoder=encoder, incrementaldecoder=decoder, name=PLAIN)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What stands in place of the signs that an encoding does not have, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_in_ascii(error.object, place) for place in range(error.start, error.end))
    return text, error.end


def _in_ascii(text: str, place: int) -> str:
    sign = text[place]
    if sign in SUPERSCRIPTS:
        follows = place > 0 and text[place - 1] in SUPERSCRIPTS
        return ("" if follows else "^") + SIGNS.get(sign, unicodedata.normalize("NFKD", sign))
    if sign in SIGNS:
        return SIGNS[sign]
    plain = "".join(part for part in unicodedata.normalize("NFKD", sign) if ord(part) < 128)
    return plain or sign.encode("ascii", "backslashreplace").decode()
