"""Commands of the SMS part: the server, the simulated phone, opt-outs."""

from __future__ import annotations

import typer

from workshop_lib.runtime.console import AS_JSON, err, print_json, say, stop_on_signal
from workshop_lib.runtime.progress import RichProgress
from workshop_lib.settings import Settings


def sms_server(
    workers: int = typer.Option(1, min=1, max=64, help="Threads that send."),
    provider: str = typer.Option("", help="file, http or twilio; the setting by default."),
    once: bool = typer.Option(False, "--once", help="End when the outbox is empty."),
    give_way: bool = typer.Option(
        False, "--give-way", help="Send nothing while notebook 07 is an SMS server itself."
    ),
    as_json: bool = AS_JSON,
) -> None:
    """Stage 3: send the messages of the outbox, each once.

    Takes entries of the Redis stream sms:outbox, sends them to the gateway, acknowledges
    them. As many of these as you like may run at once; what one leaves behind, the others
    send. Ctrl-C lets the message that is being sent end.

    Example: [b]workshop sms-server --workers 2[/b], with [b]workshop sms-gateway[/b] beside it
    """
    from workshop_lib.marketing.sms_server import serve

    with stop_on_signal() as stop, RichProgress(err) as progress:
        counts = serve(Settings(), workers, provider, once, stop, progress, give_way)
    if as_json:
        print_json(counts)


def sms_gateway(
    port: int = typer.Option(8025, min=0, max=65535, help="0 takes a free one."),
    host: str = typer.Option("127.0.0.1", help="Of this machine; in a container 0.0.0.0."),
    fail_first: int = typer.Option(0, min=0, help="Let so many requests fail, for trying out."),
    delay: float = typer.Option(0, min=0, help="Seconds until each answer, for trying out."),
    as_json: bool = AS_JSON,
) -> None:
    """Stage 3: a simulated phone, which shows the messages that arrive.

    Open its address in a browser, or read /messages as JSON. It forgets all when it ends.

    Example: [b]workshop sms-gateway --port 8025[/b]
    """
    from workshop_lib.marketing.sms_gateway import Phone, serving

    phone = Phone(fail_first, delay)
    with stop_on_signal() as stop, serving(phone, port, host) as address:
        err.print(f"The phone is at {address} (Ctrl-C ends it).", highlight=False)
        stop.wait()
    if as_json:
        print_json(phone.summary())


def add(customers: list[int] = typer.Argument(..., min=0, help="Customer ids.")) -> None:
    """No more offers or messages to these customers, from now on.

    Example: [b]workshop optout add 17 42[/b]
    """
    from workshop_lib.marketing import optouts

    say(f"{optouts.add(Settings(), *customers)} added.")


def remove(customers: list[int] = typer.Argument(..., min=0, help="Customer ids.")) -> None:
    """Take the opt-out of these customers back.

    Example: [b]workshop optout remove 17[/b]
    """
    from workshop_lib.marketing import optouts

    say(f"{optouts.remove(Settings(), *customers)} removed.")


def show(as_json: bool = AS_JSON) -> None:
    """All customers who opted out.

    Example: [b]workshop optout list --json[/b]
    """
    from workshop_lib.marketing import optouts

    customers = optouts.listed(Settings())
    if as_json:
        print_json(customers)
        return
    say(f"{len(customers):,} opted out.")
    if customers:
        say(", ".join(map(str, customers)))
