"""An SMSC in a process of its own: `python -m tests.smsc PORT [quiet]`.

Writes each message that it takes as a JSON line to standard output, sends a delivery report for it,
and delivers what it reads as JSON lines on standard input to every ESME that is bound. Nothing is
written to disk. With `quiet` it only counts, for the benchmark, and writes the count when its input
ends.
"""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from typing import Any

import smpp34

UCS2, HAS_HEADER, IS_REPORT = 8, 0x40, 0x04


class Smsc:
    """One server; every bound ESME gets every report and every inbound message."""

    def __init__(self, port: int, *, is_quiet: bool) -> None:
        self.server = smpp34.Server(host="127.0.0.1", port=port, system_id="SMSC")
        self.esmes: dict[str, smpp34.Esme] = {}
        self.taken = 0
        self.is_quiet = is_quiet
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        await self.server.start()
        write_line({"ready": True})
        reading = asyncio.create_task(self.read())
        while not reading.done():
            coming = asyncio.ensure_future(self.server.next())
            await asyncio.wait({coming, reading}, return_when=asyncio.FIRST_COMPLETED)
            if coming.done():
                self.take(coming.result())
            else:
                coming.cancel()
        write_line({"taken": self.taken})
        for esme in list(self.esmes.values()):
            await esme.unbind()
        await self.server.stop()

    def take(self, event: smpp34.Esme | smpp34.SubmitSmEvent | smpp34.Unbound) -> None:
        if isinstance(event, smpp34.Esme):
            self.esmes[event.session_id] = event
            write_line({"bound": event.system_id})
        elif isinstance(event, smpp34.Unbound):
            self.esmes.pop(event.session_id, None)
        else:
            self.taken += 1
            message_id = f"{os.getpid()}-{self.taken}"
            event.accept(message_id=message_id)
            if not self.is_quiet:
                write_line(described(event, message_id))
                self.later(self.report(event, message_id))

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def report(self, event: smpp34.SubmitSmEvent, message_id: str) -> None:
        text = f"id:{message_id} sub:001 dlvrd:001 stat:DELIVRD err:000 text:"
        await self.esmes[event.session_id].deliver_sm(
            source_addr=event.destination_addr,
            destination_addr=event.source_addr,
            esm_class=IS_REPORT,
            short_message=text.encode(),
        )

    async def read(self) -> None:
        """Send what is read to whoever is bound, until the input ends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            inbound = json.loads(line)
            for esme in self.esmes.values():
                await esme.deliver_sm(
                    source_addr=inbound["from"],
                    destination_addr=inbound["to"],
                    data_coding=UCS2,
                    short_message=inbound["text"].encode("utf-16-be"),
                )


def described(event: smpp34.SubmitSmEvent, message_id: str) -> dict[str, object]:
    octets, header = event.short_message, b""
    if event.esm_class & HAS_HEADER:
        header, octets = octets[: 1 + octets[0]], octets[1 + octets[0] :]
    return {
        "id": message_id,
        "from": event.source_addr,
        "to": event.destination_addr,
        "coding": event.data_coding,
        "esm_class": event.esm_class,
        "header": header.hex(),
        "text": octets.decode("utf-16-be" if event.data_coding == UCS2 else "latin-1"),
    }


def write_line(line: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(Smsc(int(sys.argv[1]), is_quiet="quiet" in sys.argv).serve())
    sys.stdout.flush()
    os._exit(0)  # smpp34 aborts at a normal exit if a cancelled `next()` is pending
