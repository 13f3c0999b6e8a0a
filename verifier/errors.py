"""What a caller may catch. The command gives each its exit status; the guest's fault and ours never share a word."""


class VerifierError(Exception):
    """Base of every error that the harness raises on purpose; its text is one sentence that a user can act on."""


class RequestError(VerifierError):
    """The request is wrong: no such file, an unknown option value, a bad assignment. Exit status 2."""


class ManifestError(RequestError):
    """A manifest cannot be understood; the text names the file, the line, the key, what stands there and what is allowed."""


class IsolationError(VerifierError):
    """Isolation was required and is not available here. Exit status 3."""


class HarnessError(VerifierError):
    """The harness itself broke (a zygote that does not answer, a corpus that cannot be read). Exit status 3."""


class AnswerError(VerifierError):
    """What a candidate returned breaks its contract (a wrong number of arrays or elements); the text says what, and what is right.

    `fault`: the mistake by its name, where it is a known one; else "".
    """

    def __init__(self, text: str, *, fault: str = "") -> None:
        super().__init__(text)
        self.fault = fault


class Inconclusive(VerifierError):
    """`assert_gradients` could not decide: nothing was found wrong, and nothing was verified; the text says about which input, and why."""
