"""What the Python peers share: the tone sequence (as page/tones.js has it), the ear, and WHIP signalling."""
import json
import os
import sys
import urllib.error
import urllib.request
from urllib.parse import urljoin

import numpy

TONES_HZ = (440, 620, 830, 1060, 1310, 1580, 1870, 2180)
TONE_SECONDS = 0.2
RATE = 48000
BLOCK = 960


def say(event, **fields):
    """One line of JSON for the scenario."""
    print(json.dumps({"event": event, **fields}), flush=True)


def turn_server():
    """What the environment names as the one TURN server, through which all shall go: urls, username, credential."""
    return json.loads(os.environ.get("TURN_SERVER", "null"))


def read_offer():
    """The offer that a scenario writes to stdin, one line of JSON."""
    return json.loads(sys.stdin.readline())["offer"]


class ToneSource:
    """The sequence as 16-bit mono samples, block after block."""

    def __init__(self, rate=RATE):
        per_tone = int(rate * TONE_SECONDS)
        step = numpy.repeat([2 * numpy.pi * hz / rate for hz in TONES_HZ], per_tone)
        self.cycle = (16000 * numpy.sin(numpy.cumsum(step))).astype(numpy.int16)
        self.at = 0

    def take(self, count):
        index = (self.at + numpy.arange(count)) % len(self.cycle)
        self.at += count
        return self.cycle[index]


class ToneEar:
    """Says {"event": "tone", "tone": index} for each tone that rules four blocks of 20 ms in a row."""

    def __init__(self, rate=RATE):
        self.block = int(rate * BLOCK / RATE)
        time = numpy.arange(self.block) / rate
        self.probes = numpy.exp(-2j * numpy.pi * numpy.outer(TONES_HZ, time))
        self.rest = numpy.empty(0)
        self.candidate, self.run, self.last = -1, 0, -1

    def ruling(self, block):
        total = float(numpy.dot(block, block))
        if total / len(block) < 1e-3:
            return -1
        power = numpy.abs(self.probes @ block) ** 2 * 2 / len(block)
        best = int(numpy.argmax(power))
        return best if power[best] > 0.5 * total else -1

    def feed(self, samples):
        """`samples`: 16-bit mono."""
        self.rest = numpy.concatenate((self.rest, samples / 32768.0))
        while len(self.rest) >= self.block:
            block, self.rest = self.rest[:self.block], self.rest[self.block:]
            tone = self.ruling(block)
            self.run = self.run + 1 if tone == self.candidate else 1
            self.candidate = tone
            if self.run == 4 and tone >= 0 and tone != self.last:
                self.last = tone
                say("tone", tone=tone)


class Resource:
    """A WHIP, WHEP or agent session over HTTP."""

    def __init__(self, endpoint, offer):
        request = urllib.request.Request(endpoint, data=offer.encode(), method="POST",
                                         headers={"Content-Type": "application/sdp"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                self.answer = response.read().decode()
                self.location = urljoin(endpoint, response.headers["Location"])
        except urllib.error.HTTPError as error:
            sys.exit(f"POST {endpoint}: {error.code} {error.read().decode(errors='replace')}")

    def hang_up(self):
        request = urllib.request.Request(self.location, method="DELETE")
        with urllib.request.urlopen(request, timeout=10):
            pass
