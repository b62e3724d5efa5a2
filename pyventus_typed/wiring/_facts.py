"""What is known about the wiring before it is judged: the family, who receives what, and who emits what."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Never

from typing_extensions import TypeIs

from pyventus_typed import Event, Linker, Subscription
from pyventus_typed._spelling import spell, text_attribute
from pyventus_typed.errors import DefinitionError

from ._emissions import Code, Emissions, emissions_of, read_code
from ._report import Emits, Place
from ._source import Sources, spell_handler
from ._types import ROOTS, is_emittable, roots_of, with_subclasses

AnyLinker = Linker[Never]  # a linker takes its family and nothing else, so Linker[Never] is what all linkers are


class NotALinker(DefinitionError):
    """The object to check is not a linker."""

    def __init__(self, value: object) -> None:
        super().__init__(
            f"The wiring of a Linker is checked, and {value!r} is not a Linker. Give the linker itself.", value
        )


def is_linker(value: object) -> TypeIs[AnyLinker]:
    return isinstance(value, Linker)


class Link:
    """One handler with all of its subscriptions, in whichever linker they are."""

    def __init__(self, handler: Callable[..., object], sources: Sources) -> None:
        self.handler = handler
        self.name = spell_handler(handler)
        self.place: Place | None = sources.place_of_handler(handler)
        self.subscriptions: list[Subscription[Any]] = []  # any event: they are read, not called
        self.emissions = Emissions()

    @property
    def events(self) -> tuple[type[Event], ...]:
        return tuple(dict.fromkeys(event for each in self.subscriptions for event in each.events))

    @property
    def answers(self) -> bool:
        return any(each.answers for each in self.subscriptions)


class Facts:
    """The wiring of some linkers, seen together."""

    def __init__(self, linkers: Iterable[object], family: object, packages: Iterable[str] | None) -> None:
        self.linkers: list[AnyLinker] = []
        for linker in linkers:
            if not is_linker(linker):
                raise NotALinker(linker)
            if not any(linker is known for known in self.linkers):
                self.linkers.append(linker)
        self.sources = Sources()
        self._receivers: dict[type[Event], tuple[Link, ...]] = {}
        self._link_of: dict[int, Link] = {}  # by the identity of the subscription, which its linker keeps alive
        self.links = self._links()
        self.linked = tuple(dict.fromkeys(event for link in self.links for event in link.events))
        self.packages = {cls.__module__.partition(".")[0] for cls in self.linked} | {
            (text_attribute(link.handler, "__module__") or "").partition(".")[0] for link in self.links
        }
        for link in self.links:
            link.emissions = emissions_of(link.handler, link.events, self.sources)
        self.emitted = tuple(dict.fromkeys(each.event for link in self.links for each in link.emissions.emits))
        self.is_code_read = packages is not None
        code = read_code(packages or ())
        # A family is closed if it was declared; else it is whatever is subscribed to or emitted.
        roots, self.closed = self._roots(family)
        known = [cls for root in roots for cls in self._known(root, given=family is not None)]
        beside = [each.event for one in code.emitting for each in one.emits]
        known += [cls for cls in (*self.linked, *self.emitted, *beside) if not self.closed or issubclass(cls, roots)]
        self.family = tuple(cls for cls in dict.fromkeys(known) if cls not in ROOTS)
        self.events = tuple(dict.fromkeys([*self.family, *self.linked, *self.emitted]))
        self._names = _unique_names(self.events)
        self.code = self._beside_the_handlers(code)

    def name(self, event: type[Event]) -> str:
        return self._names.get(event) or spell(event)

    def receivers(self, event: type[Event]) -> tuple[Link, ...]:
        """Who receives *event*, linker by linker, in the order of delivery. A base stands for what may be below it."""
        if event not in self._receivers:
            if is_emittable(event):
                links = [self._link_of.get(id(each)) for linker in self.linkers for each in linker.receivers(event)]
                found = [link for link in links if link is not None]  # None: subscribed since the check began
            else:
                found = [link for link in self.links if issubclass(event, link.events)]
            self._receivers[event] = tuple(dict.fromkeys(found))
        return self._receivers[event]

    def is_base(self, event: type[Event]) -> bool:
        """Whether the family has events below *event*; it is then taken for their base, unless it is emitted."""
        return any(cls is not event and issubclass(cls, event) and is_emittable(cls) for cls in self.family)

    def emitters_of(self, event: type[Event]) -> list[tuple[str, Place]]:
        by_handlers = [(link.name, each) for link in self.links for each in link.emissions.emits]
        by_code = [(code.name, each) for code in self.code.emitting for each in code.emits]
        return [(name, each.place) for name, each in (*by_handlers, *by_code) if each.event is event]

    def is_emitted(self, event: type[Event]) -> bool:
        """Whether something emits *event*, or makes one and so may hand it to what does."""
        return event in self.code.made or bool(self.emitters_of(event))

    def _beside_the_handlers(self, code: Code) -> Code:
        """*code* without what handlers were found to emit, by themselves or by what they call, and without the events of
        other emitters.
        """
        known = {_where(each) for link in self.links for each in link.emissions.emits}
        emitting = [
            replace(one, emits=tuple(e for e in one.emits if e.event in self.events and _where(e) not in known))
            for one in code.emitting
        ]
        return replace(code, emitting=tuple(one for one in emitting if one.emits))

    def _links(self) -> list[Link]:
        links: list[Link] = []
        for linker in self.linkers:
            for subscription in linker.subscriptions():
                # A bound method is a new object each time, and two of one instance are equal.
                link = next((each for each in links if _is_same(each.handler, subscription.handler)), None)
                if link is None:
                    link = Link(subscription.handler, self.sources)
                    links.append(link)
                link.subscriptions.append(subscription)
                self._link_of[id(subscription)] = link
        return links

    def _roots(self, family: object) -> tuple[tuple[type[Event], ...], bool]:
        if family is not None:
            return roots_of(family), True
        roots: list[type[Event]] = []
        closed = True
        for linker in self.linkers:
            if linker.family is None:
                closed = False
                roots += [event for each in linker.subscriptions() for event in each.events]
            else:
                roots += linker.family
        return tuple(dict.fromkeys(roots)), closed

    def _known(self, root: type[Event], *, given: bool) -> tuple[type[Event], ...]:
        """*root* with its subclasses. Below ``Event`` itself is all that was ever imported: unless that was
        asked for, the events of packages that are not wired here are left out."""
        known = with_subclasses([root])
        if given or root not in ROOTS:
            return known
        return tuple(cls for cls in known if cls.__module__.partition(".")[0] in self.packages)


def _where(emits: Emits) -> tuple[type[Event], str, int]:
    # One file may have two names: what imported it looked for it along a relative path, or through a link.
    return emits.event, emits.place.path, emits.place.line


def _is_same(left: object, right: object) -> bool:
    if left is right:
        return True
    one, other = getattr(left, "__self__", None), getattr(right, "__self__", None)
    return one is not None and one is other and getattr(left, "__func__", left) is getattr(right, "__func__", right)


def _unique_names(classes: Iterable[type[Event]]) -> dict[type[Event], str]:
    classes = list(classes)
    short = Counter(spell(cls) for cls in classes)
    return {cls: spell(cls) if short[spell(cls)] == 1 else f"{cls.__module__}.{spell(cls)}" for cls in classes}
