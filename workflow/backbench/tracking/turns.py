"""One writer at a time on a server or a database that several machines write to.

The queue is a registered model, `NAME`, that is no model: MLflow's API is all that it needs. Who wants to write makes
a version of it. MLflow numbers versions without gaps and never twice (the unique key of its table), so the lowest one
that is left is whose turn it is; the others wait, each told who writes. Who has written deletes its version.

A writer that dies leaves its version behind. It is removed by those behind it as soon as they know that it is dead:

- its process was on the same machine, and is gone;
- both write to PostgreSQL directly, and its session has ended, which PostgreSQL sees on a kill at once;
- else after `LEASE` seconds in which the beat of its version has not changed, by the clock of who waits: no clocks of
  two machines are compared. A writer that was stopped and goes on is taken for dead like this, too.

So a writer asks before each run whether it still has its turn (`Turn.confirm`): its last beat is younger than the lease
and its session lives, or it beats again, which fails once its version is deleted. It may be stopped just after it has
asked. That does no harm, because a run gets its `config_hash` last, by a call that may be repeated and names the run;
until then it is a draft. Who gets a turn deletes the drafts of others before it looks what is recorded, and MLflow
refuses to log to a deleted run. A draft is made before its writer asks, and a turn passes on after that, so none is
overlooked.
The same holds for a request that is repeated or arrives late: it makes a draft at most.
"""

import contextlib
import json
import logging
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from backbench.tracking import databases, people
from backbench.tracking.databases import Key, Session
from backbench.tracking.people import Writer

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

NAME = "backbench-writers"
ABOUT = "Not a model: a queue. Who records runs from backbench has a version here while it writes, the lowest first."
SOURCE = "backbench:/writers"
TICKET, BEAT = "backbench.writer", "backbench.beat"
LEASE, BEAT_SECONDS, POLL_SECONDS = 30.0, 4.0, 0.5
# Seconds beyond the lease, for clocks that run at different speeds.
MARGIN = 2.0
PAGE = 200
ABSENT, EXISTS = "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"
# What a server answers whose registry is not for everybody, or is another one.
NO_REGISTRY = {"PERMISSION_DENIED", "ENDPOINT_NOT_FOUND", "FEATURE_DISABLED", "NOT_IMPLEMENTED", "BAD_REQUEST"}
NO_REGISTRY |= {"INVALID_PARAMETER_VALUE", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED", "NOT_FOUND"}


class Lost(RuntimeError):
    """The turn has passed to another writer."""


class Right(Protocol):
    """The right to write."""

    alone: bool

    def take(self) -> None:
        """Wait for the right, unless it is held."""

    def confirm(self) -> None:
        """Find out that it is still held, and raise `Lost` otherwise."""


class Unshared:
    """The right to write where nothing else keeps writers apart (or the lock of a file does, so `alone`)."""

    def __init__(self, alone: bool):
        self.alone = alone

    def take(self) -> None:
        pass

    def confirm(self) -> None:
        pass


@dataclass(frozen=True)
class Ticket:
    """A version of the queue: whose it is, and the beat that was last seen of it."""

    number: int
    owner: str
    writer: Writer | None
    session: Key | None
    lease: float
    beat: str

    @property
    def who(self) -> str:
        """The writer in words."""
        return people.described(self.writer) if self.writer else "a backbench of another version"


class Turn:
    """A place in the queue of writers."""

    alone = True

    def __init__(self, client: "MlflowClient", uri: str, where: str):
        self.client, self.uri, self.where = client, uri, where
        self.session: Session | None = None
        self.owner = uuid.uuid4().hex
        self.writer = people.here()
        self.number = 0
        self.beats, self.beaten = 0, 0.0

    def take(self) -> None:
        """Wait until no version is left before ours.

        Raises
        ------
        mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError
            If MLflow or the database do not answer.
        """
        try:
            self.confirm()
        except Lost:
            self._queue()

    def confirm(self) -> None:
        """Find out that nobody has taken the turn over.

        Raises
        ------
        Lost
            If the version is gone, or the session with the database has ended.
        """
        if not self.number:
            raise Lost("not in the queue")
        if self.session is not None and not self.session.lives():
            raise Lost("the connection to the database has ended")
        if _now() - self.beaten > BEAT_SECONDS:
            self._beat()

    def leave(self) -> None:
        """Give the turn to who is next; a server that does not answer learns it from the lease."""
        from mlflow.exceptions import MlflowException

        number, self.number = self.number, 0
        try:
            if number:
                self._remove(number)
        except MlflowException as error:
            log.debug("the place %d in the queue is left behind: %s", number, error)
        if self.session is not None:
            self.session.close()

    def _queue(self) -> None:
        self._enter()
        watch = _Watch()
        named = ""
        while True:
            tickets = self._tickets()
            ours = [ticket.number for ticket in tickets if ticket.owner == self.owner]
            if self.number not in ours:
                self._enter()
                continue
            ahead = [ticket for ticket in tickets if ticket.number < self.number and ticket.owner != self.owner]
            dead = {ticket.number for ticket in ahead if watch.is_dead(ticket, self.session)}
            # A request that was repeated, and a session that ended, leave versions of ours behind.
            for number in dead.union(ours) - {self.number}:
                self._remove(number)
            waited_for = [ticket for ticket in ahead if ticket.number not in dead]
            if not waited_for:
                return
            if waited_for[0].owner != named:
                named = waited_for[0].owner
                log.warning("%s records runs at %s; waiting for it", waited_for[0].who, self.where)
            time.sleep(POLL_SECONDS)
            try:
                self.confirm()
            except Lost:
                self._enter()

    def _enter(self) -> None:
        """Make a version, and the registered model where it is not there yet."""
        from mlflow.exceptions import MlflowException

        if self.session is None or not self.session.lives():
            self.session = databases.session(self.uri)
        key = None if self.session is None else self.session.key
        body = {"owner": self.owner, "writer": people.packed(self.writer), "session": key, "lease": LEASE}
        tags = {TICKET: json.dumps(body), BEAT: str(self.beats)}
        asked = _now()
        try:
            made = self.client.create_model_version(NAME, SOURCE, tags=tags)
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise
            self._make()
            asked = _now()
            made = self.client.create_model_version(NAME, SOURCE, tags=tags)
        self.number, self.beaten = int(made.version), asked

    def _make(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(NAME, description=ABOUT)
        except MlflowException as error:
            if error.error_code != EXISTS:
                raise

    def _tickets(self) -> list[Ticket]:
        """All versions, the lowest first."""
        versions: list[ModelVersion] = []
        token = None
        while True:
            page = self.client.search_model_versions(f"name = '{NAME}'", max_results=PAGE, page_token=token)
            versions += page
            token = page.token
            if not token:
                return sorted(
                    (_ticket(int(each.version), each.tags) for each in versions), key=lambda each: each.number
                )

    def _beat(self) -> None:
        from mlflow.exceptions import MlflowException

        asked = _now()
        try:
            self.client.set_model_version_tag(NAME, str(self.number), BEAT, str(self.beats + 1))
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise
            raise Lost("another writer went on without this one, of which it heard nothing") from error
        self.beats, self.beaten = self.beats + 1, asked

    def _remove(self, number: int) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.delete_model_version(NAME, str(number))
        except MlflowException as error:
            if error.error_code != ABSENT:
                raise


class _Watch:
    """What one who waits has seen of the others."""

    def __init__(self) -> None:
        self.seen: dict[int, tuple[str | None, float]] = {}

    def is_dead(self, ticket: Ticket, session: Session | None) -> bool:
        """Whether the writer of a ticket is known to be dead, or has not been heard from for its lease."""
        if ticket.writer is not None and people.is_gone(ticket.writer):
            log.warning("%s has died; going on without it", ticket.who)
            return True
        if session is not None and ticket.session is not None and not session.lists(ticket.session):
            log.warning("the connection of %s has ended; going on without it", ticket.who)
            return True
        beat, since = self.seen.get(ticket.number, (None, 0.0))
        if beat != ticket.beat:
            self.seen[ticket.number] = (ticket.beat, _now())
            return False
        silent = _now() - since > ticket.lease + MARGIN
        if silent:
            log.warning("%s has not been heard from for %d s; going on without it", ticket.who, ticket.lease)
        return silent


@contextlib.contextmanager
def turn(client: "MlflowClient", uri: str, where: str) -> Iterator[Right]:
    """The right to write at an address; `where` names it in messages. It is waited for here, and given up at the end.

    Raises
    ------
    mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError
        If MLflow or the database do not answer.
    """
    ours = Turn(client, uri, where)
    try:
        yield ours if _admitted(ours) else Unshared(alone=False)
    finally:
        ours.leave()


def _admitted(ours: Turn) -> bool:
    """Whether the server has a queue for us."""
    from mlflow.exceptions import MlflowException

    try:
        ours.take()
    except MlflowException as error:
        if error.error_code not in NO_REGISTRY:
            raise
        log.warning(
            "%s keeps no queue of writers (%s): two at once may record a run twice until the next `backbench track`",
            ours.where,
            str(error).partition("\n")[0],
        )
        return False
    return True


def _ticket(number: int, tags: dict[str, str]) -> Ticket:
    """The ticket in the tags of a version; one of another version of backbench is at least waited for."""
    beat = tags.get(BEAT, "")
    try:
        body = json.loads(tags[TICKET])
        session = (int(body["session"][0]), str(body["session"][1])) if body["session"] else None
        return Ticket(number, body["owner"], people.unpacked(body["writer"]), session, float(body["lease"]), beat)
    except (KeyError, ValueError, TypeError, IndexError):
        return Ticket(number, f"place {number}", None, None, LEASE, beat)


def _now() -> float:
    """Seconds of a clock that goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()
