"""A notebook client that is patient on a busy machine."""

import time
from queue import Empty

from jupyter_client.channels import AsyncZMQSocketChannel
from nbclient import NotebookClient


class Client(NotebookClient):
    """A notebook client that looks at its sockets once a second.

    On a busy machine an asyncio poll of a ZeroMQ socket now and then sleeps through a message that is there, until its
    timeout: minutes late for a reply, and for an output, whose poll has no timeout, never.
    """

    async def async_start_new_kernel_client(self, **kwargs):
        """Start the client and make its two channels poll in short slices."""
        client = await super().async_start_new_kernel_client(**kwargs)
        for channel in (client.shell_channel, client.iopub_channel):
            poll_in_slices(channel)
        return client


def poll_in_slices(channel: AsyncZMQSocketChannel, seconds: float = 1.0) -> None:
    """Make `channel.get_msg` poll again every few `seconds` until its own timeout."""
    get_msg = channel.get_msg

    async def patient(timeout: float | None = None) -> dict:
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > seconds:
            try:
                return await get_msg(timeout=seconds)
            except Empty:
                continue
        return await get_msg(timeout=max(0, left))

    channel.get_msg = patient
