"""GStreamer's webrtcbin as a peer: gst_peer.py publish|play|agent URL, or as a server: gst_peer.py serve, with an
offer on stdin. `hangup` on stdin ends the session."""
import re
import sys
import threading
from urllib.parse import quote

import gi
import numpy

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from common import Resource, ToneEar, ToneSource, read_offer, say, turn_server  # noqa: E402

PCM = "audio/x-raw,format=S16LE,rate=48000,channels=1,layout=interleaved"
OPUS = "application/x-rtp,media=audio,encoding-name=OPUS,payload={pt},clock-rate=48000,encoding-params=(string)2"
SEND = (f"appsrc name=source is-live=true format=time do-timestamp=true caps={PCM} ! queue ! opusenc ! "
        f"rtpopuspay pt={{pt}} ! {OPUS} ! peer.")


class Peer:
    def __init__(self, role, url, loop):
        self.role, self.url, self.loop = role, url, loop
        self.ear, self.tones, self.samples = ToneEar(), ToneSource(), 0
        self.offer = read_offer() if role == "serve" else None
        # An answer sends under the number that the offer gives Opus.
        pt = re.search(r"a=rtpmap:(\d+) opus/48000", self.offer).group(1) if self.offer else "96"
        self.pipeline = Gst.Pipeline.new()
        peer = "webrtcbin name=peer bundle-policy=max-bundle "
        self.pipeline.add(Gst.parse_bin_from_description(peer + (SEND.format(pt=pt) if role != "play" else ""), False))
        self.webrtc = self.pipeline.get_by_name("peer")
        self.use_turn(turn_server())
        self.webrtc.connect("notify::connection-state", self.on_state)
        self.webrtc.connect("pad-added", self.on_pad)
        if role == "play":
            self.webrtc.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY,
                             Gst.Caps.from_string(OPUS.format(pt=pt)))
        elif role == "publish":
            self.webrtc.emit("get-transceiver", 0).set_property(
                "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", lambda _, message: say("error", text=str(message.parse_error())))

    def use_turn(self, server):
        if server is None:
            return
        scheme, where = server["urls"].split(":", 1)
        login = f"{quote(server['username'], safe='')}:{quote(server['credential'], safe='')}"
        self.webrtc.set_property("turn-server", f"{scheme}://{login}@{where}")
        self.webrtc.set_property("ice-transport-policy", GstWebRTC.WebRTCICETransportPolicy.RELAY)

    def start(self):
        if self.role == "serve":
            self.candidates = []
            self.webrtc.connect("on-ice-candidate", lambda _, line, text: self.candidates.append(text))
            self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        else:
            self.webrtc.connect("on-negotiation-needed", self.on_negotiation_needed)
        self.pipeline.set_state(Gst.State.PLAYING)
        if self.role == "serve":
            threading.Thread(target=self.serve, daemon=True).start()
        if self.role != "play":
            GLib.timeout_add(20, self.push)

    def push(self):
        """As many blocks as the pipeline's clock says are due."""
        clock = self.pipeline.get_clock()
        if clock is None:
            return True
        due = (clock.get_time() - self.pipeline.get_base_time()) * 48 // 1_000_000
        while self.samples + 960 <= due:
            self.samples += 960
            self.pipeline.get_by_name("source").emit(
                "push-buffer", Gst.Buffer.new_wrapped(self.tones.take(960).tobytes()))
        return True

    def on_negotiation_needed(self, _):
        self.webrtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.on_offer))

    def on_offer(self, promise):
        reply = promise.get_reply()  # owns the offer
        offer = reply.get_value("offer")
        text = offer.sdp.as_text()
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())
        threading.Thread(target=self.signal, args=(text,), daemon=True).start()

    def signal(self, offer):
        self.resource = Resource(self.url, offer)
        _, answer = GstSdp.SDPMessage.new_from_text(self.resource.answer)
        self.webrtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.ANSWER, answer), Gst.Promise.new())
        sys.stdin.readline()
        self.resource.hang_up()
        GLib.idle_add(self.loop.quit)

    def serve(self):
        _, offer = GstSdp.SDPMessage.new_from_text(self.offer)
        self.webrtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(
            GstWebRTC.WebRTCSDPType.OFFER, offer), Gst.Promise.new_with_change_func(self.on_offered))
        sys.stdin.readline()
        GLib.idle_add(self.loop.quit)

    def on_offered(self, _):
        self.webrtc.emit("create-answer", None, Gst.Promise.new_with_change_func(self.on_answer))

    def on_answer(self, promise):
        reply = promise.get_reply()  # owns the answer
        answer = reply.get_value("answer")
        self.answer = answer.sdp.as_text()
        self.webrtc.emit("set-local-description", answer, Gst.Promise.new())

    def on_gathering(self, *_):
        if self.webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            say("answer", sdp=self.answer + "".join(f"a={text}\r\n" for text in self.candidates))

    def on_state(self, *_):
        say("state", state=self.webrtc.get_property("connection-state").value_nick)

    def on_pad(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        sink = Gst.parse_bin_from_description(
            f"rtpopusdepay ! opusdec plc=true ! audioconvert ! audioresample ! {PCM} ! "
            "appsink name=ear emit-signals=true sync=false", True)
        sink.get_by_name("ear").connect("new-sample", self.on_sample)
        self.webrtc.get_parent().add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def on_sample(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        self.ear.feed(numpy.frombuffer(buffer.extract_dup(0, buffer.get_size()), dtype=numpy.int16))
        return Gst.FlowReturn.OK


Gst.init(None)
main_loop = GLib.MainLoop()
peer = Peer(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None, main_loop)
peer.start()
main_loop.run()
peer.pipeline.set_state(Gst.State.NULL)
