"""aiortc as a peer: aiortc_peer.py publish|play|agent|agent-and-channel URL, or as a server: aiortc_peer.py serve, with
an offer on stdin. `hangup` on stdin ends the session."""
import asyncio
import fractions
import sys

import numpy
from aioice.ice import TransportPolicy
from aiortc import (MediaStreamTrack, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription,
                    rtcicetransport)
from av import AudioFrame

from common import RATE, Resource, ToneEar, ToneSource, read_offer, say, turn_server


class ToneTrack(MediaStreamTrack):
    kind = "audio"

    def __init__(self):
        super().__init__()
        self.source = ToneSource()
        self.pts = 0
        self.start = None

    async def recv(self):
        loop = asyncio.get_event_loop()
        if self.start is None:
            self.start = loop.time()
        await asyncio.sleep(max(0.0, self.start + self.pts / RATE - loop.time()))
        frame = AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(self.source.take(960).tobytes())
        frame.sample_rate, frame.pts, frame.time_base = RATE, self.pts, fractions.Fraction(1, RATE)
        self.pts += 960
        return frame


async def listen(track):
    ear = ToneEar()
    while True:
        frame = await track.recv()
        samples = frame.to_ndarray().reshape(-1, len(frame.layout.channels)) if frame.format.is_packed \
            else frame.to_ndarray().T
        ear.feed(samples.astype(numpy.float64).mean(axis=1))


def configuration():
    server = turn_server()
    if server is None:
        return None
    # aiortc has no iceTransportPolicy, the ICE library below it has.
    kwargs_of = rtcicetransport.connection_kwargs
    rtcicetransport.connection_kwargs = lambda servers: {**kwargs_of(servers),
                                                         "transport_policy": TransportPolicy.RELAY}
    return RTCConfiguration(iceServers=[RTCIceServer(**server)])


async def call(pc, role, url, loop):
    """Offers as `role`; how to end the session."""
    if role == "play":
        pc.addTransceiver("audio", direction="recvonly")
    else:
        pc.addTransceiver(ToneTrack(), direction="sendonly" if role == "publish" else "sendrecv")
    if role == "agent-and-channel":
        pc.createDataChannel("events")
    await pc.setLocalDescription(await pc.createOffer())
    resource = await loop.run_in_executor(None, Resource, url, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(resource.answer, "answer"))
    return resource.hang_up


async def serve(pc, loop):
    """Answers the offer of stdin."""
    offer = await loop.run_in_executor(None, read_offer)
    await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    pc.addTrack(ToneTrack())
    await pc.setLocalDescription(await pc.createAnswer())
    say("answer", sdp=pc.localDescription.sdp)
    return lambda: None


async def main(role, url=None):
    pc = RTCPeerConnection(configuration())
    loop = asyncio.get_running_loop()
    listeners = []

    @pc.on("connectionstatechange")
    def _():
        say("state", state=pc.connectionState)

    @pc.on("track")
    def _(track):
        listeners.append(asyncio.ensure_future(listen(track)))

    hang_up = await (serve(pc, loop) if role == "serve" else call(pc, role, url, loop))
    await loop.run_in_executor(None, sys.stdin.readline)
    await loop.run_in_executor(None, hang_up)
    await pc.close()


asyncio.run(main(*sys.argv[1:]))
