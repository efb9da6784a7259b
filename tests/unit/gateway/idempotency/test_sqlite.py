"""The file itself: its time, its privacy, what is swept out of it."""

import asyncio
import sqlite3
from pathlib import Path

from gateway.idempotency import Claim, Found
from gateway.idempotency.sqlite import SqliteAnswers


def claim(id_: bytes = b"i", token: bytes = b"t") -> Claim:
    return Claim(id_, b"f", token, 10.0)


def test_time_passes_by_the_clock_given(tmp_path: Path) -> None:
    now = [1000.0]

    async def main() -> None:
        answers = SqliteAnswers(tmp_path / "a.db", 100.0, lambda: now[0])
        assert await answers.claim(claim()) is None
        now[0] = 1010.0
        assert await answers.claim(claim(token=b"u")) == Found("running", b"f")
        now[0] = 1010.5
        assert await answers.claim(claim(token=b"u")) == Found("lapsed", b"f")
        now[0] = 1100.0
        assert await answers.claim(claim(token=b"u")) is None
        await answers.close()

    asyncio.run(main())


def test_what_is_over_is_swept_and_the_file_is_private(tmp_path: Path) -> None:
    now = [1000.0]
    path = tmp_path / "folder" / "a.db"

    async def main() -> None:
        answers = SqliteAnswers(path, 100.0, lambda: now[0])
        await asyncio.gather(*(answers.claim(claim(b"%d" % number)) for number in range(50)))
        assert path.stat().st_mode & 0o777 == 0o600
        now[0] = 2000.0
        await answers.claim(claim(b"new"))
        await answers.close()

    asyncio.run(main())
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT id FROM answers").fetchall() == [(b"new",)]
    file.close()


def test_a_damaged_file_loses_answers_and_a_repaired_one_finds_them_again(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    path.write_bytes(b"this is not a database " * 100)

    async def main() -> None:
        answers = SqliteAnswers(path, 100.0)
        result = (await asyncio.gather(answers.claim(claim()), return_exceptions=True))[0]
        assert type(result).__name__ == "AnswersLost"
        assert answers.lost
        path.unlink()
        assert await answers.claim(claim()) is None
        assert not answers.lost
        await answers.close()

    asyncio.run(main())
