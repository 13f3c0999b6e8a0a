"""Backward passes of PyTorch: subclasses of `torch.autograd.Function`, and what `torch.library.register_autograd` was given."""

import gc
import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

from verifier.audit.finding.passages import Passage, Scope, importable, like, name_of, named_arguments, parameter_names, place_of
from verifier.audit.kits import TORCH
from verifier.audit.listening import Heard, overhear

HEARD = "_verifier_audit_arguments"


def find(scope: Scope) -> Iterator[Passage]:
    """The project's own, where it has loaded PyTorch."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "autograd"):
        return
    for cls in _subclasses(torch.autograd.Function):
        if scope.owns(cls.__module__) and _has_backward(cls):
            yield of_class(cls, scope)
    yield from _registered(scope)


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    seen: set[type[Any]] = set()
    waiting: list[type[Any]] = [cls]
    while waiting:
        subclasses: list[type[Any]] = waiting.pop().__subclasses__()
        for sub in subclasses:
            if sub not in seen:
                seen.add(sub)
                waiting.append(sub)
                yield sub


def _attribute(cls: Any) -> str:
    return "vjp" if cls.vjp is not sys.modules["torch"].autograd.Function.vjp else "backward"


def _has_backward(cls: Any) -> bool:
    function = sys.modules["torch"].autograd.Function
    return cls.backward is not function.backward or cls.vjp is not function.vjp


def of_class(cls: Any, scope: Scope) -> Passage:
    """The pass of one class; its methods are read now, before any class is changed."""
    attribute = _attribute(cls)
    function: Any = sys.modules["torch"].autograd.Function
    backward = inspect.getattr_static(cls, attribute)
    forward = inspect.getattr_static(cls, "forward")
    setup = inspect.getattr_static(cls, "setup_context")
    separate = cls.setup_context is not function.setup_context
    file, line = place_of(getattr(backward, "__func__", backward))
    name = name_of(cls)

    def listen() -> None:
        # A static method gets what follows; a class method its class before that; the context comes next.
        names = parameter_names(_plain(forward), int(isinstance(forward, classmethod)) + int(not separate))
        setattr(cls, attribute, _replaced(backward, cls, _overheard(name, cls)))
        if separate:
            cls.setup_context = _replaced(
                setup, cls, _keeping(names, cls, lambda given, named: named["inputs"] if "inputs" in named else given[0])
            )
        else:
            cls.forward = _replaced(forward, cls, _keeping(names, cls, lambda given, named: given))

    found = importable(cls, scope, cls.__module__)
    return Passage(name, "autograd.Function", file, line, listen, callee=found, base=bool(cls.__subclasses__()))


def _plain(method: Any) -> Any:
    return getattr(method, "__func__", method)


Around = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def _replaced(method: Any, cls: type, around: Around) -> Any:
    """A method of the same kind (static, class, plain) that calls `around(original, context, arguments, keywords)`."""
    function = _plain(method)
    if isinstance(method, classmethod):

        def of_class_method(klass: type, ctx: Any, *arguments: Any, **keywords: Any) -> Any:
            return around(lambda *a, **k: function(klass, *a, **k), ctx, arguments, keywords)

        return classmethod(like(function, of_class_method))

    def static(ctx: Any, *arguments: Any, **keywords: Any) -> Any:
        return around(function, ctx, arguments, keywords)

    return staticmethod(like(function, static))


def _is_for(ctx: Any, cls: type) -> bool:
    """Whether the call is this class's own, not that of a subclass through `super()`."""
    return getattr(type(ctx), "_forward_cls", cls) is cls


def _keeping(names: list[str], cls: type, inputs_in: Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]) -> Around:
    """Keeps what the forward pass is given, as these arguments and keywords of its method hold it."""

    def around(original: Callable[..., Any], ctx: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        if _is_for(ctx, cls):
            _keep(ctx, names, inputs_in(arguments, keywords))
        return original(ctx, *arguments, **keywords)

    return around


def _keep(ctx: Any, names: list[str], values: tuple[Any, ...]) -> None:
    kept = named_arguments(names, values).items()
    setattr(ctx, HEARD, {name: value.detach() if isinstance(value, sys.modules["torch"].Tensor) else value for name, value in kept})


def _overheard(name: str, cls: type) -> Around:
    def around(original: Callable[..., Any], ctx: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        boxed = len(arguments) == 1 and isinstance(arguments[0], list)
        if not _is_for(ctx, cls) or boxed or keywords:
            return original(ctx, *arguments, **keywords)
        kept = getattr(ctx, HEARD, {})
        wanted = tuple(getattr(ctx, "needs_input_grad", ())) or None
        heard = Heard(name, TORCH, kept, arguments, wanted=wanted)
        return tuple(overhear(heard, lambda cotangents: _listed(original(ctx, *cotangents))))

    return around


def _listed(answer: Any) -> list[Any]:
    return list(answer) if isinstance(answer, tuple | list) else [answer]


def _registered(scope: Scope) -> Iterator[Passage]:
    """What was registered for an operator of `torch.library`: its record is found wherever it is kept."""
    custom = sys.modules.get("torch._library.custom_ops")
    plain = sys.modules.get("torch._library.autograd")
    kinds = tuple(kind for kind in (getattr(custom, "CustomOpDef", None), getattr(plain, "Info", None)) if kind is not None)
    if not kinds:
        return
    seen = set()
    for record in [one for one in gc.get_objects() if issubclass(type(one), kinds)]:
        backward = record._backward_fn
        if backward is not None and scope.owns(getattr(backward, "__module__", None)) and id(record) not in seen:
            seen.add(id(record))
            yield _of_record(record, scope)


def _of_record(record: Any, scope: Scope) -> Passage:
    backward, setup = record._backward_fn, record._setup_context_fn
    function = getattr(record, "_init_fn", None)
    names = parameter_names(function) if function is not None else []
    name = name_of(function if function is not None else backward)
    file, line = place_of(backward)

    def setup_context(ctx: Any, inputs: Any, output: Any, **keywords: Any) -> None:
        _keep(ctx, names, inputs)
        if setup is not None:
            setup(ctx=ctx, inputs=inputs, output=output, **keywords)

    def overheard(ctx: Any, *cotangents: Any) -> Any:
        heard = Heard(name, TORCH, getattr(ctx, HEARD, {}), cotangents, wanted=tuple(ctx.needs_input_grad) or None)
        return tuple(overhear(heard, lambda given: _listed(backward(ctx, *given))))

    def listen() -> None:
        record._backward_fn, record._setup_context_fn = overheard, setup_context

    return Passage(name, "register_autograd", file, line, listen, callee=importable(record, scope))


def listen_to_later(scope: Scope, chosen: Callable[[str], bool]) -> None:
    """Overhear classes that are made from now on, inside a function or a test."""
    torch = sys.modules.get("torch")
    if torch is None:
        return
    meta: Any = type(torch.autograd.Function)
    original = meta.__init__

    def begun(cls: Any, *arguments: Any, **keywords: Any) -> None:
        original(cls, *arguments, **keywords)
        if scope.owns(cls.__module__) and _has_backward(cls) and chosen(name_of(cls)):
            of_class(cls, scope).listen()

    meta.__init__ = begun
