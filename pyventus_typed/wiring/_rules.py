"""The judgements: each rule is one function from the facts to its findings."""

import inspect
from collections.abc import Iterator

from pyventus_typed import Event, Subscriber

from ._agreement import expectation_of
from ._facts import Facts, Link
from ._family import ROOTS, has_own_fields, is_decorated, is_emittable, is_event_class, is_request
from ._mutability import mutable_fields
from ._report import Finding, Rule
from ._source import bound_arguments, spell_class


def events_without_receiver(facts: Facts) -> Iterator[Finding]:
    for event in facts.family:
        if not is_emittable(event):
            continue
        name, place = facts.name(event), facts.sources.place_of_class(event)
        receivers = facts.receivers(event)
        emitters = facts.emitters_of(event)
        origin = f"; {emitters[0][0]} emits it at {emitters[0][1]}" if emitters else ""
        asks = is_request(event)
        if asks and any(link.answers for link in receivers):
            continue
        if receivers and not asks:
            continue
        if facts.is_base(event) and not emitters:
            message = f"{name} has no receiver of its own; it is taken for the base of its subclasses"
            yield Finding(Rule.BASE, message, place, event)
        elif asks:
            handled = (
                f"; {receivers[0].name} handles it, and only linker.answer and @answers answer" if receivers else ""
            )
            yield Finding(Rule.UNANSWERED, f"nobody answers {name}{handled}{origin}", place, event)
        else:
            yield Finding(Rule.UNHANDLED, f"nobody receives {name}{origin}", place, event)


def undecorated_events(facts: Facts) -> Iterator[Finding]:
    for event in facts.events:
        if event not in ROOTS and not is_decorated(event) and has_own_fields(event):
            message = f"{facts.name(event)} has fields but no @dataclass(frozen=True), so no emitter takes it"
            yield Finding(Rule.UNDECORATED, message, facts.sources.place_of_class(event), event)


def unreachable_handlers(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        for event in link.events:
            if reason := _why_unreachable(facts, link, event):
                message = f"{link.name} is linked to {facts.name(event)}, which can never arrive: {reason}"
                yield Finding(Rule.UNREACHABLE, message, link.place, event, link.name)


def _why_unreachable(facts: Facts, link: Link, event: type[Event]) -> str | None:
    if event in ROOTS:
        return None if facts.family else "the family is empty"
    emittable = [cls for cls in facts.family if issubclass(cls, event) and is_emittable(cls)]
    if any(link in facts.receivers(cls) for cls in emittable):
        return None
    if emittable:
        return "each request that it could answer has an answer of its own"
    if facts.closed and not any(issubclass(cls, event) for cls in facts.family):
        return "it is not in the family"
    kind = "abstract" if inspect.isabstract(event) else "not decorated with @dataclass(frozen=True)"
    return f"it is {kind}, and no subclass of it can be emitted"


def mutable_events(facts: Facts) -> Iterator[Finding]:
    seen: set[tuple[type, str]] = set()
    for event in facts.events:
        for field in mutable_fields(event):
            if (field.owner, field.name) not in seen:
                seen.add((field.owner, field.name))
                owner = facts.name(field.owner) if is_event_class(field.owner) else spell_class(field.owner)
                place = facts.sources.place_of_class(field.owner, field.name)
                yield Finding(Rule.MUTABLE, f"{owner}.{field.name} {field.reason}", place, event)


def disagreeing_annotations(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        expected = expectation_of(link.handler)
        if expected is None:
            continue
        for event in link.events:
            name = facts.name(event)
            match expected.takes(event):
                case False:
                    message = f"{link.name} is linked to {name}, but its annotation takes {expected}"
                    if module := expected.is_namesake_of(event):
                        message += f": two classes, of {event.__module__} and of {module}; was a module loaded twice?"
                    yield Finding(Rule.ANNOTATION, message, link.place, event, link.name)
                case None:
                    message = f"{link.name} is linked to {name}; its annotation, {expected}, cannot be evaluated"
                    yield Finding(Rule.UNRESOLVED, message, link.place, event, link.name)
                case _:
                    pass


def emissions_outside_of_the_family(facts: Facts) -> Iterator[Finding]:
    for link in facts.links:
        for emission in link.emissions.emits:
            if emission.event not in facts.family:
                message = f"{link.name} emits {facts.name(emission.event)}, which is not in the family"
                yield Finding(Rule.OUTSIDE, message, emission.place, emission.event, link.name)


def events_that_nothing_emits(facts: Facts) -> Iterator[Finding]:
    if not facts.is_code_read:
        return  # other code than the handlers emits, and nobody has shown it to us
    for event in facts.family:
        if is_emittable(event) and not facts.is_base(event) and not facts.is_emitted(event):
            message = f"nothing that was read emits {facts.name(event)}, or makes one"
            yield Finding(Rule.UNEMITTED, message, facts.sources.place_of_class(event), event)


def unread_emissions(facts: Facts) -> Iterator[Finding]:
    for place, reason in facts.code.unread:
        yield Finding(Rule.UNREAD, reason, place)
    for link in facts.links:
        for place in link.emissions.unread:
            message = f"{link.name} emits an event here that cannot be read from the source"
            yield Finding(Rule.UNREAD, message, place, None, link.name)


def unbound_subscribers(facts: Facts) -> Iterator[Finding]:
    bound = {type(each) for link in facts.links for each in bound_arguments(link.handler)}
    waiting = [*type.__subclasses__(Subscriber)]
    while waiting:
        cls = waiting.pop()
        below = type.__subclasses__(cls)
        waiting += below
        known = "<locals>" not in cls.__qualname__ and cls.__module__.partition(".")[0] in facts.packages
        if known and not below and cls not in bound and not inspect.isabstract(cls):
            message = f"{spell_class(cls)} is a Subscriber, but no instance of it is bound to a linker that is checked"
            yield Finding(Rule.UNBOUND, message, facts.sources.place_of_class(cls))


RULES = (
    events_without_receiver,
    undecorated_events,
    unreachable_handlers,
    mutable_events,
    disagreeing_annotations,
    emissions_outside_of_the_family,
    events_that_nothing_emits,
    unread_emissions,
    unbound_subscribers,
)
