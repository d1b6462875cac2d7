"""What the plugin tells of a user's spending, and a function for hosts that compares
its sums with the host's own counting."""

from __future__ import annotations

import json
import math
import re
from typing import NamedTuple

from dev.host import plugin
from dev.host.client import Client, content_of

FILES = 10_000
TOLD = re.compile(
    r"Today.*?: (?:no pictures|([0-9,]+) pictures?, about \$([0-9.,]+))\.(?!\d)"
)
SPENDING_ID = "spending"
SPENDING = '''"""
title: Spending
"""
import json, sys, time, uuid

USER, DAYS = "somebody-with-many-files", 100


def rows(gip, files):
    mark = gip.spent_mark(gip.Payer(USER), gip.WORKER, 0.0336)
    record = {gip.MARK_KEY: mark, "version": 1, "prompt": "a red fox " * 8}
    row = {
        "user_id": USER,
        "filename": "a-red-fox.jpg",
        "path": "/nowhere",
        "data": {},
        "meta": {"name": "a-red-fox.jpg", "data": {}, "gemini_image": record},
    }
    now, apart = int(time.time()), DAYS * 86_400 / files
    made = [now - int(number * apart) for number in range(files)]
    # The clock was wrong when the last one was made.
    for moment in [*made, now + 2 * 86_400]:
        yield {**row, "id": str(uuid.uuid4()), "created_at": moment}


async def seconds(work):
    taken = []
    for _ in range(25):
        began = time.perf_counter()
        found = await work()
        taken.append(time.perf_counter() - began)
    return found, min(taken)  # what else the machine does only adds to it


class Pipe:
    async def pipe(self, body):
        from open_webui.internal import db
        from open_webui.models.files import File
        from sqlalchemy import delete, func, insert, select

        name = [n for n in sys.modules if n.startswith("function_gemini_image_pipe")][-1]
        gip, files = sys.modules[name], int(body["messages"][-1]["content"])
        count = select(func.count(File.id)).filter_by(user_id=USER)

        async def counted():
            context = getattr(db, "get_async_db_context", None)
            if context:
                async with context() as session:
                    return (await session.execute(count)).one()[0]

            def by_thread():
                with db.get_db() as session:
                    return session.execute(count).one()[0]

            return await gip.HOST_WORK.run(by_thread)

        def summed(since):
            days = since, time.time() + 86_400
            return lambda: gip.summed_marks(gip.Payer(USER), *days, gip.WORKER)

        with db.get_db() as session:
            session.execute(insert(File), list(rows(gip, files)))
            session.commit()
        try:
            there, counting = await seconds(counted)
            day, adding_day = await seconds(summed(time.time() - 86_400))
            everything, adding_all = await seconds(summed(0))
        finally:
            with db.get_db() as session:
                session.execute(delete(File).where(File.user_id == USER))
                session.commit()
        return json.dumps({
            "files": there, "counting": counting,
            "of_day": day.in_all.pictures, "adding_day": adding_day,
            "of_all": everything.in_all.pictures, "adding_all": adding_all,
            "usd": everything.of_worker.usd,
        })
'''


class Told(NamedTuple):
    """What `--cost` tells of today."""

    pictures: int
    usd: float


def told(client: Client, model: str) -> Told:
    """Ask a model with `--cost`."""
    words = content_of(client.complete(model, "--cost"))
    found = TOLD.search(words)
    assert found, words
    pictures, usd = (text.replace(",", "") for text in found.groups("0"))
    return Told(int(pictures), float(usd))


def check_sums_of_many(admin: Client) -> None:
    """See that the plugin adds up ten thousand files rightly, and those of a day with a
    hundred of them in less than twice the time in which the host counts all.

    Where all are of one day it takes ten times as long or more: a count reads no
    metadata, and only to find the mark in those takes twice.
    """
    found = _measured(admin)
    assert found["files"] == FILES + 1 and found["of_all"] == FILES, found
    assert 90 < found["of_day"] < 110, found
    assert math.isclose(found["usd"], FILES * 0.0336)
    assert found["adding_day"] < 2 * found["counting"], found


def _measured(admin: Client) -> dict[str, float]:
    """How long the host takes to count the files of a user who has so many, a hundred
    days old at most and one of the day after tomorrow, and the plugin to add up those
    of a day, and all up to tomorrow."""
    plugin.add_function(admin, SPENDING_ID, SPENDING)
    try:
        found: dict[str, float] = json.loads(
            content_of(admin.complete(SPENDING_ID, str(FILES)))
        )
        return found
    finally:
        admin.delete_function(SPENDING_ID)
