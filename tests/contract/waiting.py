"""A condition goes in; it returns when the condition holds, and fails when that takes too long."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], bool | Awaitable[bool]], within_s: float = 5.0) -> None:
    """Ask again and again until `condition` is true; raises TimeoutError after `within_s`."""
    async with asyncio.timeout(within_s):
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return
            await asyncio.sleep(0.005)
