"""Asking whether an actor may: the facts for `policies.governance`, and refusals that tell no more than may be known.

    require(actor, action, doing)                       what belongs to the platform, or what a role never may
    contract(unit, actor, action, doing, name) -> Contract
    consumer(unit, actor, action, doing, id) -> Consumer
    application(unit, actor, action, doing, id) -> RegisteredApplication
    require_approver(unit, actor, contract, author)     who publishes what somebody else wrote
    sees(actor, action, thing) -> bool                  for lists; without an actor (inside the registry) always
    of_contract, of_consumer, of_application, of_subscription, of_operator      the `Thing` of a record

`doing` completes the sentence *only admins may ...*. A role that never may is refused before anything is looked up.
What an actor may not even read does not exist for it (`NotFound`, in the words of what is not there); what it may read
but not change is `Forbidden`.
"""

from __future__ import annotations

from collections.abc import Callable

from policies import governance
from policies.governance import NOTHING, Reach, Thing
from policies.model.contract import Contract
from registry.audit import Actor
from registry.errors import Forbidden, NotFound
from registry.store import Unit
from registry.store.records import Consumer, Operator, RegisteredApplication, StoredSubscription


def require(actor: Actor, action: str, doing: str, thing: Thing = NOTHING) -> None:
    """Raises `Forbidden`."""
    if not governance.may(actor, action, thing):
        raise _refusal(actor, action, doing, thing)


def require_role(actor: Actor, action: str, doing: str) -> None:
    """Raises `Forbidden` when the role may not do this to anything."""
    if governance.reach(actor.role, action) is Reach.NONE:
        raise _refusal(actor, action, doing, NOTHING)


def contract(unit: Unit, actor: Actor, action: str, doing: str, name: str) -> Contract:
    """The contract, for an actor who may take that action on it. Raises `NotFound`, `Forbidden`."""
    require_role(actor, action, doing)
    found = unit.contracts.get(name)
    if found is None or not governance.may(actor, "get_contract", of_contract(found)):
        raise no_contract(name)
    require(actor, action, doing, of_contract(found))
    return found


def consumer(unit: Unit, actor: Actor, action: str, doing: str, id_: str) -> Consumer:
    """The consumer, for an actor who may take that action on it. Raises `NotFound`, `Forbidden`."""
    require_role(actor, action, doing)
    found = unit.consumers.get(id_)
    if found is None or not governance.may(actor, "get_consumer", of_consumer(found)):
        raise no_consumer(id_)
    require(actor, action, doing, of_consumer(found))
    return found


def application(unit: Unit, actor: Actor, action: str, doing: str, id_: str) -> RegisteredApplication:
    """The application, for an actor who may take that action on it. Raises `NotFound`, `Forbidden`."""
    require_role(actor, action, doing)
    found = unit.applications.get(id_)
    if found is None or not governance.may(actor, "get_application", of_application(unit, found)):
        raise no_application(id_)
    require(actor, action, doing, of_application(unit, found))
    return found


def require_approver(unit: Unit, actor: Actor, contract: Contract, author: str) -> None:
    """Who publishes what somebody else wrote approves it. Nobody approves what a robot wrote that it let in itself: its
    key would be the second pair of eyes. Raises `Forbidden`."""
    if author == actor.name:
        return
    doing = f"approve versions of {contract.name} that somebody else wrote"
    require(actor, "publish_version.approve", doing, of_contract(contract))
    for robot in unit.operators.all(name=author, role="robot"):
        if robot.created_by == actor.name:
            raise Forbidden(f"{actor.name} let in the robot {author} that wrote it; somebody else has to approve it")


def sees(actor: Actor | None, action: str, thing: Thing = NOTHING) -> bool:
    return actor is None or governance.may(actor, action, thing)


def of_contract(contract: Contract) -> Thing:
    return Thing(team=contract.owner, contract=contract.name, audience=contract.audience)


def of_consumer(consumer: Consumer) -> Thing:
    return Thing(consumer=consumer.id, audience=consumer.audience)


def of_application(unit: Unit, application: RegisteredApplication) -> Thing:
    found = unit.consumers.get(application.consumer)
    return Thing(consumer=application.consumer, audience=found.audience if found else None)


def of_subscription(unit: Unit, subscription: StoredSubscription) -> Thing:
    """It is its contract's team's as well as its consumer's."""
    contract = unit.contracts.get(subscription.contract)
    application = unit.applications.get(subscription.application)
    held = of_application(unit, application) if application else NOTHING
    return Thing(
        team=contract.owner if contract else None,
        contract=subscription.contract,
        consumer=held.consumer,
        audience=held.audience,
    )


def subscriptions_of(unit: Unit) -> Callable[[StoredSubscription], Thing]:
    """`of_subscription` for many of them: the tables are read once."""
    owners = {contract.name: contract.owner for contract in unit.contracts.all()}
    holders = {application.id: application.consumer for application in unit.applications.all()}
    audiences = {consumer.id: consumer.audience for consumer in unit.consumers.all()}

    def of(subscription: StoredSubscription) -> Thing:
        holder = holders[subscription.application]
        return Thing(
            team=owners[subscription.contract],
            contract=subscription.contract,
            consumer=holder,
            audience=audiences[holder],
        )

    return of


def of_operator(unit: Unit, operator: Operator) -> Thing:
    """A partner's operator is its consumer's; others are their team's, or the platform's."""
    if operator.role == "partner" and operator.consumers:
        found = unit.consumers.get(operator.consumers[0])
        return of_consumer(found) if found else NOTHING
    return Thing(team=operator.team, contract=operator.contract)


def no_contract(name: str) -> NotFound:
    return NotFound(f"there is no contract {name!r}")


def no_consumer(id_: str) -> NotFound:
    return NotFound(f"there is no consumer {id_!r}")


def no_application(id_: str) -> NotFound:
    return NotFound(f"there is no application {id_!r}")


def _refusal(actor: Actor, action: str, doing: str, thing: Thing) -> Forbidden:
    what = f"an {actor.role}" if actor.role in ("admin", "auditor") else f"a {actor.role}"
    whose = (
        f" of the contract {actor.contract}" if actor.contract else f" of the team {actor.team}" if actor.team else ""
    )
    return Forbidden(f"{governance.told(action, thing)} may {doing}; {actor.name} is {what}{whose}")
