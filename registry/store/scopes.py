"""Whose rows of the audit log: those about what one team, or some consumers, have now. The condition in SQL.

Ranges and not LIKE where the end of a subject is open: text is compared by bytes everywhere, and a name holds neither a
slash nor the sign after it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, ColumnElement, and_, exists, or_

from registry.store import tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """One of both. A team: its contracts with all below them, subscriptions to these, its operators, itself. Consumers:
    they themselves, and their applications with all below them."""

    team: str | None = None
    consumers: tuple[str, ...] = ()

    def condition(self) -> ColumnElement[bool]:
        subject = tables.audit.c.subject
        if self.team is not None:
            contracts, operators = tables.contracts.c, tables.operators.c
            mine = contracts.owner == self.team
            subscribed = subject.like("applications/%/subscriptions/" + contracts.name + "/%")
            return or_(
                subject == f"teams/{self.team}",
                exists().where(mine, or_(_within("contracts/", contracts.name), subscribed)),
                exists().where(operators.team == self.team, subject == "operators/" + operators.id),
            )
        applications = tables.applications.c
        return or_(
            subject.in_([f"consumers/{name}" for name in self.consumers]),
            exists().where(
                applications.consumer.in_(self.consumers),
                _within("applications/", applications.id),
            ),
        )


def _within(prefix: str, name: Column[str]) -> ColumnElement[bool]:
    """The subject of that name, and everything below it; "0" is what follows "/"."""
    subject = tables.audit.c.subject
    return or_(
        subject == prefix + name,
        and_(subject >= prefix + name + "/", subject < prefix + name + "0"),
    )
