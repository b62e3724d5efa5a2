"""Attributes of living objects, found without running any code of theirs."""

import functools
import inspect
from types import FunctionType, MemberDescriptorType, MethodType

_OF_THE_CLASS: tuple[type[object], ...] = (classmethod, staticmethod)
_COMPUTED: tuple[type[object], ...] = (property, functools.cached_property)


class Missing:
    """Stands for what only a run can tell."""


def known(found: object) -> object:
    """*found*, or ``Missing`` for a proxy that raises when it is asked what it is."""
    try:
        isinstance(found, Missing)
    except Exception:  # noqa: BLE001 - the proxy is a stranger's
        return Missing
    return found


def is_one_of(found: object, those: tuple[object, ...]) -> bool:
    """Whether *found* is one of *those* itself. ``in`` would ask a stranger's ``__eq__``."""
    return any(found is each for each in those)


def own_text(found: object, name: str) -> str | None:
    """An attribute that is a text, such as ``__module__``; None if it is not, or if asking for it raises."""
    try:
        value: object = getattr(found, name, None)
    except Exception:  # noqa: BLE001 - as above
        return None
    return value if isinstance(value, str) else None


def attribute_of(owner: object, name: str) -> object:  # noqa: PLR0911 - one for each kind of owner
    """What ``owner.name`` is, a method bound to its owner; ``Missing`` if it is not there, or is computed."""
    if owner is Missing:
        return Missing
    try:
        found = inspect.getattr_static(owner, name)
        if isinstance(owner, type):
            return getattr(owner, name) if isinstance(found, _OF_THE_CLASS) else found
        if isinstance(found, MemberDescriptorType):  # a slot
            return getattr(owner, name)
    except AttributeError:
        return Missing
    if isinstance(found, FunctionType) and name not in getattr(owner, "__dict__", {}):
        return MethodType(found, owner)
    if isinstance(found, _OF_THE_CLASS):
        return getattr(type(owner), name)
    return Missing if isinstance(found, _COMPUTED) else found
