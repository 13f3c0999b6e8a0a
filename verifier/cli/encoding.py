"""What is written to a terminal that does not know Unicode: signs in ASCII in their place, never a question mark.

An ASCII, Latin-1 or old Windows code page (cp437, cp850, cp1252) has some of our signs and not others. What it has stays; what it has
not is written as somebody without that key would write it.
"""

import codecs
import sys
import unicodedata

HANDLER = "verifier-signs"
SIGNS = {
    **{"✓": "ok", "✗": "x", "✅": "ok", "❌": "x", "–": "-", "—": "-", "−": "-", "‐": "-", "·": "*", "×": "x", "⊙": "*", "…": "..."},
    **{"→": "->", "←": "<-", "≤": "<=", "≥": ">=", "≠": "!=", "≈": "~", "±": "+-", "∞": "inf", "½": "1/2", "¼": "1/4", "│": "|", "•": "*"},
    **{"²": "^2", "³": "^3", "⁻": "^-", "ˡ": "^l", "¹": "^1", "ᴸ": "^L", "ᵀ": "^T", "⁺": "^+", "₀": "0", "₁": "1", "₂": "2", "₃": "3"},
    **{"∂": "d", "∇": "grad ", "Σ": "sum", "∑": "sum", "σ": "sigma", "δ": "delta", "η": "eta", "ε": "eps", "φ": "phi", "θ": "theta"},
    **{"ŷ": "y^", "ₐ": "_a", "λ": "lambda", "μ": "mu", "β": "beta", "γ": "gamma", "√": "sqrt", "“": '"', "”": '"', "„": '"', "‘": "'"},
    **{"’": "'", "′": "'", "«": '"', "»": '"', "\u00a0": " ", "\u202f": " ", "━": "-", "╸": "-", "╺": "-", "▸": ">", "▾": "v"},
}


def write_every_sign() -> None:
    """From now on stdout and stderr take any text, whatever their encoding is."""
    codecs.register_error(HANDLER, in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=HANDLER)


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """What stands in place of the signs that an encoding does not have, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = "".join(_in_ascii(sign) for sign in error.object[error.start : error.end])
    return text, error.end


def _in_ascii(sign: str) -> str:
    if sign in SIGNS:
        return SIGNS[sign]
    plain = "".join(part for part in unicodedata.normalize("NFKD", sign) if ord(part) < 128)
    return plain or sign.encode("ascii", "backslashreplace").decode()
