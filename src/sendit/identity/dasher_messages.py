"""What a client of the protocol asks, and how it reads the answer.

Asked in as few calls as the limit of items allows; an entity with more items than that is
asked in several, and its answers are put together again.  An answer is taken by what it
answers (source and id), and by its place only where it does not say; one that answers
something else is refused, since it would give a patient another patient's name.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sendit.errors import IdentityError

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Thing:
    """An id with its source, and when it was looked up."""

    id: str = field(repr=False)
    source: str
    timestamp: str = field(repr=False)
    """In practice the birth date of a patient, the date of a study; empty when unknown."""

    def as_json(self) -> dict[str, object]:
        """Return it as the protocol writes it; an unknown time is left out."""
        document: dict[str, object] = {"id": self.id, "id_source": self.source}
        return {**document, "id_timestamp": self.timestamp} if self.timestamp else document


@dataclass(frozen=True, slots=True)
class Entity:
    """A patient, with the studies asked about."""

    thing: Thing
    items: tuple[Thing, ...]

    def as_json(self) -> dict[str, object]:
        """Return it as the protocol writes it."""
        return {**self.thing.as_json(), "items": [item.as_json() for item in self.items]}


@dataclass(slots=True)
class Answered:
    """What the service said about one entity, of as many calls as it took."""

    entity: Json = field(repr=False)
    items: dict[tuple[str, str], Json] = field(default_factory=dict, repr=False)
    """By (source, id)."""


def calls(entities: Sequence[Entity], *, max_items: int) -> Iterator[Sequence[Entity]]:
    """Yield what is asked in each call, in order: at most that many items in all."""
    call: list[Entity] = []
    room = max_items
    for entity in entities:
        left = entity.items
        while left:
            if not room:
                yield call
                call, room = [], max_items
            call.append(replace(entity, items=left[:room]))
            left, room = left[room:], room - min(room, len(left))
    if call:
        yield call


def body(call: Sequence[Entity]) -> dict[str, object]:
    """Return the document of one call."""
    return {"identifiers": [entity.as_json() for entity in call]}


def read_answer(
    document: object, call: Sequence[Entity], answered: dict[tuple[str, str], Answered]
) -> None:
    """Add what one call answered to what earlier ones did.

    Raises
    ------
    sendit.errors.IdentityError
        When it is not an answer to this call, or contradicts an earlier one.
    """
    # The service of early 2017 answered with the bare list.
    results = document.get("results") if isinstance(document, dict) else document
    things = [entity.thing for entity in call]
    for entity, result in zip(call, _matched(things, results, what="patients"), strict=True):
        key = (entity.thing.source, entity.thing.id)
        known = answered.setdefault(key, Answered(result))
        if any(known.entity.get(name) != result.get(name) for name in ("suid", "jitter")):
            raise IdentityError(
                "The identity service gave one patient two names or shifts in two calls. "
                "Tell whoever runs it; nothing was released."
            )
        items = _matched(entity.items, result.get("items"), what="studies")
        for item, found in zip(entity.items, items, strict=True):
            known.items[item.source, item.id] = found


def _matched(asked: Sequence[Thing], answers: object, *, what: str) -> Sequence[Json]:
    """Return the answers in the order in which the things were asked about."""
    if not isinstance(answers, list) or not all(isinstance(one, dict) for one in answers):
        raise IdentityError(
            "The identity service's answer has not the form of one: it lacks the list of "
            f"{what}. See that identity.url is the right address."
        )
    if len(answers) != len(asked):
        raise IdentityError(
            f"The identity service was asked about {len(asked)} {what} and answered about "
            f"{len(answers)}. Tell whoever runs it; nothing was released."
        )
    named = [("id" in one, "id_source" in one) for one in answers]
    if not any(map(any, named)):
        return answers
    try:
        by_name = {(one.get("id_source"), one.get("id")): one for one in answers}
        return [by_name[thing.source, thing.id] for thing in asked]
    except (KeyError, TypeError):
        raise IdentityError(
            f"The identity service answered about other {what} than it was asked about. "
            "Tell whoever runs it; nothing was released."
        ) from None
