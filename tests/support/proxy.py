"""A TCP proxy before a server, on a port of its own, that cuts and delays what passes.

    with Proxy(server.port, seed) as proxy:
        client.connect("127.0.0.1", proxy.port)

A connection is a row of exchanges: a request and its answer.  Each is delayed by up to
`delay_seconds`, and one of `cut_every` (0: none) is cut: after a random byte of the request or of
its answer, or between it and the next.  So an answer may be lost whose request was carried out.  The seed
repeats the choices, as far as the order of connections can be repeated.  It runs in a thread.
"""

import asyncio
import contextlib
import random
import threading

PIECE = 1 << 16
REQUEST_BITS = 14  # a cut is behind less than 2 to the power of up to so many bytes
ANSWER_BITS = 8


class Proxy:
    def __init__(self, target_port, seed, cut_every=20, delay_seconds=0.02):
        self.target_port = target_port
        self.chance = random.Random(seed)
        self.cut_every = cut_every
        self.delay_seconds = delay_seconds
        self.port = None
        self.exchanges = 0
        self.answer_bytes = 0
        self.cuts = {"request": 0, "answer": 0, "between": 0}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        is_ready = threading.Event()
        self.loop.call_soon(lambda: self.loop.create_task(self._listen(is_ready)))
        self.thread.start()
        is_ready.wait()
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                self.loop.run_until_complete(task)
        self.loop.close()

    async def _listen(self, is_ready):
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        is_ready.set()

    async def _serve(self, reader, writer):
        try:
            far = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        line = Line(self, writer, far[1])
        with contextlib.suppress(asyncio.CancelledError):  # the proxy ends
            await asyncio.gather(line.pass_on(reader, far[1], "request"),
                                 line.pass_on(far[0], writer, "answer"))
        line.cut()


class Line:
    """One connection."""

    def __init__(self, proxy, near, far):
        self.proxy = proxy
        self.near = near
        self.far = far
        self.direction = "answer"  # of the last bytes
        self.cut_in = None         # where this exchange is to be cut,
        self.bytes_left = 0        # after so many bytes of it

    def cut(self):
        self.near.transport.abort()
        self.far.transport.abort()

    def _begin_exchange(self):
        """Where it is cut, if at all."""
        chance = self.proxy.chance
        self.proxy.exchanges += 1
        self.cut_in = None
        if self.proxy.cut_every > 0 and chance.randrange(self.proxy.cut_every) == 0:
            self.cut_in = chance.choice(["request", "answer"])
            bits = chance.uniform(0, REQUEST_BITS if self.cut_in == "request" else ANSWER_BITS)
            self.bytes_left = int(2 ** bits) - 1

    def _cut_by(self, where):
        self.proxy.cuts[where] += 1
        self.cut()

    async def pass_on(self, reader, writer, direction):
        """Until one of both ends closes, or it is cut."""
        try:
            while data := await reader.read(PIECE):
                if direction != self.direction and direction == "request":
                    if self.cut_in is not None:
                        self._cut_by("between")
                        return
                    self._begin_exchange()
                    await asyncio.sleep(self.proxy.chance.uniform(0, self.proxy.delay_seconds))
                self.direction = direction
                self.proxy.answer_bytes += len(data) if direction == "answer" else 0
                if self.cut_in == direction and len(data) > self.bytes_left:
                    writer.write(data[:self.bytes_left])
                    self._cut_by(direction)
                    return
                if self.cut_in == direction:
                    self.bytes_left -= len(data)
                writer.write(data)
                await writer.drain()
            writer.write_eof()
        except OSError:
            self.cut()
